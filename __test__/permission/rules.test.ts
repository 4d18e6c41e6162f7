/** The enforcers of rules on kernels that are not installed here. */
import { expect, test } from "vitest";
import { UNSAFE } from "../../build/permission/policy.js";
import { type Enforcers, rulesOf } from "../../build/permission/rules.js";

const before612: Enforcers = {
  runtime: "node",
  node: { major: 24, minor: 0 },
  deno: false,
  kernel: new Map([["signals", "Linux 6.12 has it"]]),
  withoutKernel: "",
  wrapped: false,
  environment: undefined,
  needs: [],
};

test(
  "before Linux 6.12 the kernel enforces which programs may be started, and the rule says that it lets " +
    "signals out",
  () => {
    const [rule] = rulesOf({ ...UNSAFE, run: ["git"] }, before612);
    expect(rule).toMatchObject({ rule: "run", value: ["git"], enforcedBy: ["kernel"] });
    expect(rule.note).toContain("6.12");
    const [none] = rulesOf({ ...UNSAFE, run: [] }, before612);
    expect(none).toEqual({ rule: "run", value: [], enforcedBy: ["kernel", "runtime"] });
  },
);
