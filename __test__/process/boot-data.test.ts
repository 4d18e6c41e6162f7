import { readFileSync } from "node:fs";
import { importTask } from "knitting-native";
import { expect, test } from "vitest";
import { onChildren, onEveryRuntime } from "../support/kinds";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/boot-data.mjs";
const tasks = {
  places: importTask<void, Record<string, string>>({ href, name: "places" }),
  nonce: importTask<void, string>({ href, name: "nonce" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  stdin: importTask<void, string>({ href, name: "stdin" }),
};

onEveryRuntime(({ worker, isProcess }) => {
  test("what a worker was started with is nowhere to be found by a task", async () => {
    await using pool = createPool({ worker })(tasks);
    const nonce = isProcess ? await pool.call.nonce() : "no nonce in a thread";
    const places = await pool.call.places();
    for (const [place, text] of Object.entries(places)) {
      expect(text, place).not.toContain("KNITTING_PROCESS_WORKER");
      expect(text, place).not.toContain("nonce");
      expect(text, place).not.toContain(nonce);
    }
    // Proves that the places were read at all.
    for (const place of [
      "process.env",
      "/proc/self/environ",
      "a child's environment",
      "a thread's environment",
    ]) {
      expect(places[place]).toContain("PATH");
    }
  });
});

onChildren(({ worker }) => {
  test("nobody else can see it either", async () => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.pid();
    expect(readFileSync(`/proc/${pid}/environ`, "latin1")).not.toContain("KNITTING");
  });

  test("descriptor 0 is /dev/null", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.stdin()).toBe("/dev/null");
  });
});
