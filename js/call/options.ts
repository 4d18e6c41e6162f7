/** The options of one call: a time limit, the ways to abort it, how its argument is sent, and when and where it runs. */
import { types } from "node:util";
import { AbortCapacityError, InvalidOptionError } from "../base/errors";
import { describe, record, refuse, refuseUnknown } from "../base/validate";
import { type TimeLimit, type Timeout, timeLimitOf } from "../task/time-limit";
import type { Call, CallTerms } from "./call";
import type { CallPromise } from "./promise";

/** The second argument of `pool.call.f(argument, options)`. */
export interface CallOptions<Result = unknown> {
  /**
   * Aborts the call: the promise rejects with the signal's reason. The task learns of it if it has
   * `abortSignal: true`.
   */
  signal?: AbortSignal | undefined;
  /** Time limit of this call, instead of the one in the task's definition. */
  timeout?: Timeout<Result> | undefined;
  /**
   * `true`: an abort by `signal` also ends the worker if the task has begun, and the worker is replaced. Other calls
   * that it had begun reject with `WorkerKilledError`, `reason` `"abort"`. Only beside `signal`.
   */
  kill?: true | undefined;
  /**
   * `false`: an argument that has to wait for a worker is not copied, and its bytes don't count for `maxQueueBytes`.
   * Until it is sent you must not change it. Default: it is copied at the call.
   */
  copy?: false | undefined;
  /**
   * ArrayBuffers of the argument that are detached at the call, so that they are moved to the call and you can't use
   * them any more. A call with one that can't be detached, such as a `WebAssembly.Memory`'s, rejects and detaches none;
   * Node 20 leaves such a one as it is. Not beside `copy: false`. Default: none.
   */
  transfer?: readonly ArrayBuffer[] | undefined;
  /**
   * A name of 1 to 256 characters, such as `"user-7"`. Calls with the same name go to the same worker while it lives.
   * Default: the call goes to any worker.
   */
  affinity?: string | undefined;
  /** A whole number. Of the calls that wait, those with a lower one go first. Default 0. */
  priority?: number | undefined;
}

/** The promise of a call whose task has `abortSignal: true` or `{ hasAborted: true }`. */
export interface AbortablePromise<Result, Progress = unknown> extends CallPromise<Result, Progress> {
  /**
   * Aborts the call: the promise rejects with `reason`, by default an `AbortError`, and the task learns of it. If the
   * task has `abortSignal: { hasAborted: true }` and has begun, it alone learns of it, and the promise settles with what
   * it then returns or throws.
   */
  reject(reason?: unknown): void;
}

/** The options of a call as the pool uses them. */
export interface CheckedCallOptions {
  readonly limit: TimeLimit | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether an abort by the signal ends the worker. */
  readonly kill: boolean;
  /** The buffers to detach at the call. `undefined`: none. */
  readonly transfer: readonly ArrayBuffer[] | undefined;
  /** `undefined`: the defaults. */
  readonly terms: CallTerms | undefined;
}

const KNOWN: readonly (keyof CallOptions)[] = [
  "signal",
  "timeout",
  "kill",
  "copy",
  "transfer",
  "affinity",
  "priority",
];
const LONGEST_AFFINITY = 256;

/** Validates the options of a call. Throws `InvalidOptionError`, or what a getter throws. */
export function checkCallOptions(task: string, options: unknown): CheckedCallOptions {
  const caller = `pool.call.${task}`;
  const given = record(caller, "options", options);
  refuseUnknown(caller, given, KNOWN);
  const { signal, timeout, kill, transfer } = given;
  if (signal !== undefined && !isSignal(signal)) {
    throw new InvalidOptionError(`${caller}: "signal" is ${describe(signal)}, it must be an AbortSignal`);
  }
  if (kill !== undefined) {
    checkKill(caller, kill, signal);
  }
  const terms = checkTerms(caller, given);
  if (transfer !== undefined && terms?.copy === false) {
    throw new InvalidOptionError(
      `${caller}: "transfer" is set and "copy" is false: buffers that are detached at the call can't be read later. ` +
        "Leave out one of them",
    );
  }
  return {
    limit: timeLimitOf(caller, "timeout", timeout),
    signal,
    kill: kill === true,
    transfer: transfer === undefined ? undefined : checkTransfer(caller, transfer),
    terms,
  };
}

function checkTerms(
  caller: string,
  { copy, affinity, priority = 0 }: Readonly<Record<string, unknown>>,
): CallTerms | undefined {
  if (copy !== undefined && copy !== false) {
    refuse(caller, "copy", copy, "false, or left out");
  }
  if (
    affinity !== undefined &&
    (typeof affinity !== "string" || affinity === "" || affinity.length > LONGEST_AFFINITY)
  ) {
    refuse(caller, "affinity", affinity, `a string of 1 to ${LONGEST_AFFINITY} characters`);
  }
  if (!Number.isSafeInteger(priority)) {
    refuse(caller, "priority", priority, "a whole number");
  }
  return copy === undefined && affinity === undefined && priority === 0
    ? undefined
    : { copy: copy === undefined, affinity, priority: priority as number };
}

function checkKill(caller: string, kill: unknown, signal: AbortSignal | undefined): void {
  if (kill !== true) {
    refuse(caller, "kill", kill, "true, or left out");
  }
  if (signal === undefined) {
    throw new InvalidOptionError(
      `${caller}: "kill" is true and there is no "signal", whose abort would end the worker: give one, or call ` +
        "kill() of the promise that the call returns",
    );
  }
}

/** Copies the list, so that nothing can change it any more. Throws for anything that can't be detached. */
function checkTransfer(caller: string, transfer: unknown): readonly ArrayBuffer[] | undefined {
  if (!Array.isArray(transfer)) {
    refuse(caller, "transfer", transfer, "an array of ArrayBuffers");
  }
  const indexes = new Map<unknown, number>();
  // Array.from, because map skips holes.
  const buffers = Array.from(transfer, (buffer: unknown, index) => {
    const first = indexes.get(buffer);
    indexes.set(buffer, index);
    if (first !== undefined || !types.isArrayBuffer(buffer) || isDetached(buffer)) {
      const what = first === undefined ? nameOf(buffer) : `the same as "transfer[${first}]"`;
      throw new InvalidOptionError(
        `${caller}: "transfer[${index}]" is ${what}, it must be an ArrayBuffer that is not detached, and not twice ` +
          "in the list",
      );
    }
    return buffer;
  });
  return buffers.length === 0 ? undefined : buffers;
}

function nameOf(value: unknown): string {
  if (types.isArrayBuffer(value)) {
    return "a detached ArrayBuffer";
  }
  if (types.isSharedArrayBuffer(value)) {
    return "a SharedArrayBuffer";
  }
  // Of any realm, and whatever its prototype is.
  const view = Object.prototype.toString.call(value).slice("[object ".length, -1);
  return ArrayBuffer.isView(value) ? `a view of a buffer (${view})` : describe(value);
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Accepts signals of any realm. */
function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null;
  return (
    typeof signal?.aborted === "boolean" &&
    typeof signal.addEventListener === "function" &&
    typeof signal.removeEventListener === "function"
  );
}

/** A signal and what its abort does. */
export interface SignalOptions {
  readonly signal: AbortSignal;
  readonly kill: boolean;
}

/**
 * Gives a call up when the signal is aborted, and ends its worker if `kill` is set. Returns false if the signal is aborted already, or can't be listened to;
 * the call has then rejected.
 */
export function cancelOnAbort({ signal, kill }: SignalOptions, call: Call): boolean {
  const giveUp = () => (kill ? call.abortByKill(signal.reason) : call.abort(signal.reason));
  if (signal.aborted) {
    giveUp();
    return false;
  }
  try {
    signal.addEventListener("abort", giveUp, { once: true });
  } catch (error) {
    // A signal that is not the runtime's own.
    call.reject(error);
    return false;
  }
  call.whenOver(() => signal.removeEventListener("abort", giveUp));
  return true;
}

/** Counts the pending abortable calls, and makes their promises abortable. */
export class Abortables {
  readonly #capacity: number;
  #underWay = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /**
   * Gives the promise its method `reject`. `isPartial`: an abort lets the task finish with a partial result. Returns
   * false if too many calls are pending already; the call has then rejected.
   */
  add(call: Call, promise: Promise<unknown>, isPartial: boolean): boolean {
    if (isPartial) {
      call.partial = { isAsked: false, reason: undefined };
    }
    const reject = (reason: unknown = new DOMException("This operation was aborted", "AbortError")) =>
      call.abort(reason);
    Object.defineProperty(promise, "reject", { value: reject });
    if (this.#underWay === this.#capacity) {
      call.reject(new AbortCapacityError(this.#capacity));
      return false;
    }
    this.#underWay++;
    call.whenOver(() => {
      this.#underWay--;
    });
    return true;
  }
}
