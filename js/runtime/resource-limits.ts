/**
 * Limits of a worker's memory, in the words of its runtime. Units: the options count megabytes of 1 048 576 bytes, as V8 does
 * for its heap; V8 counts its stack in kilobytes, JavaScriptCore everything in bytes.
 */
import type { LimitsInMegabytes, ResolvedWorker } from "./options";

const KILOBYTES = 1024;
const BYTES = 1024 * 1024;
/** V8's young generation: two semi-spaces, and as much again for objects that are large. */
const SEMI_SPACES = 3;
/**
 * Besides JavaScript's frames a stack holds the command line, the environment and the frames of native code. 8 MB, the usual
 * limit of a whole stack, is enough for them.
 */
const OTHER_STACK_MEGABYTES = 8;

/** V8's flags. It takes whole numbers alone; of two that contradict each other the last holds. */
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

/** JavaScriptCore's options, which Bun takes from the environment alone. */
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
 * Bytes that the system must allow the process's stack (RLIMIT_STACK), undefined where no option asks for any: V8 would run
 * beyond a lower limit and die by SIGSEGV, JavaScriptCore would keep to it.
 */
export function stackBytes({ resourceLimits }: ResolvedWorker): number | undefined {
  const stack = resourceLimits?.stackSizeMb;
  return stack === undefined ? undefined : Math.ceil((stack + OTHER_STACK_MEGABYTES) * BYTES);
}
