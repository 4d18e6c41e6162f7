/**
 * Memory limits of a worker as flags or variables of its runtime. The options count megabytes of 1 048 576 bytes, as V8
 * does for its heap. V8 counts its stack in kilobytes, and JavaScriptCore counts everything in bytes.
 */
import type { LimitsInMegabytes, ResolvedWorker } from "./options";

const KILOBYTES = 1024;
const BYTES = 1024 * 1024;
/** V8's young generation: two semi-spaces, and the size of one more for large objects. */
const SEMI_SPACES = 3;
/**
 * Besides JavaScript's frames a stack holds the command line, the environment and the frames of native code. 8 MB, the
 * usual limit of a whole stack, is enough for them.
 */
const OTHER_STACK_MEGABYTES = 8;

/** V8's flags. V8 accepts only whole numbers, and the last of two contradicting flags holds. */
export function v8Flags(limits: LimitsInMegabytes = {}): string[] {
  const { maxOldGenerationSizeMb: old, maxYoungGenerationSizeMb: young, stackSizeMb: stack } = limits;
  const flags: string[] = [];
  if (old !== undefined) {
    flags.push(`--max-old-space-size=${Math.ceil(old)}`);
  }
  if (young !== undefined) {
    flags.push(`--max-semi-space-size=${Math.ceil(young / SEMI_SPACES)}`);
  }
  if (stack !== undefined) {
    flags.push(`--stack-size=${Math.ceil(stack * KILOBYTES)}`);
  }
  return flags;
}

/** JavaScriptCore's options, which Bun reads only from the environment. */
export function jscVariables(limits: LimitsInMegabytes = {}): [string, string][] {
  const { codeRangeSizeMb: code, stackSizeMb: stack } = limits;
  const variables: [string, string][] = [];
  if (code !== undefined) {
    variables.push(["BUN_JSC_jitMemoryReservationSize", `${Math.ceil(code * BYTES)}`]);
  }
  if (stack !== undefined) {
    variables.push(["BUN_JSC_maxPerThreadStackUsage", `${Math.ceil(stack * BYTES)}`]);
  }
  return variables;
}

/**
 * Bytes of stack that the system must allow the process (RLIMIT_STACK); undefined if no option asks for any. With a
 * lower limit V8 would overrun the stack and die by SIGSEGV, and JavaScriptCore would keep to the lower limit.
 */
export function stackBytes({ resourceLimits }: ResolvedWorker): number | undefined {
  const stack = resourceLimits?.stackSizeMb;
  return stack === undefined ? undefined : Math.ceil((stack + OTHER_STACK_MEGABYTES) * BYTES);
}
