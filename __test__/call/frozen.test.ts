/** Hosts and workers in which the objects of the language are frozen. */
import { expect, test } from "vitest";
import { onEveryRuntimeInGate } from "../support/kinds";
import { Host } from "../support/processes";

const expected = [
  "hardened true",
  "worker true",
  'echo {"list":[1,{"toString":"own"}],"map":{},"match":["b","b"]}',
  "error true true outer",
  "refused UnsupportedPayloadError $",
  "streams 0,1,2 0,1",
  "closed PoolClosedError",
  "task 42",
];

onEveryRuntimeInGate(({ worker }) => {
  test.each([
    ["by --frozen-intrinsics", ["--frozen-intrinsics"], "flag"],
    ["by a function such as lockdown() of SES", [], "harden"],
  ])("pools work in a language that is frozen %s", async (_, flags, how) => {
    const host = Host.with(flags, "frozen-host.mjs", JSON.stringify(worker), how);
    const { code } = await host.exit();
    expect(host.stdout.trim().split("\n"), host.stderr).toEqual(expected);
    expect(code, host.stderr).toBe(0);
  });
});
