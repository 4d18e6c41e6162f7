/** What a task gets as its second argument if it declares one, or is to be told of aborts. */
import { now } from "../clock";
import { ABORTS_AT } from "../generated/layout";

/** Index of the first word of abort bits. */
const FIRST_WORD = ABORTS_AT >> 2;
const WORD_BITS = 32;

/** Whether the host has set the abort bit of a call. */
export function isAborted(words: Uint32Array, call: number): boolean {
  return (Atomics.load(words, FIRST_WORD + Math.floor(call / WORD_BITS)) & (1 << (call % WORD_BITS))) !== 0;
}

/**
 * The second argument of a task that declares one: whose function has a `length` of 2 or more, or that has
 * `abortSignal: true`. Its members work without it: `(x, { progress }) => ...`.
 */
export class TaskToolkit<Progress = unknown> {
  readonly #words: Uint32Array;
  readonly #call: number;
  readonly #listening: Set<TaskToolkit<never>>;
  readonly #tell: (value: unknown) => void;
  #controller: AbortController | undefined;
  /** What it was when the call was answered; its bit may be another call's since. */
  #last: boolean | undefined;

  /** @internal */
  constructor(
    words: Uint32Array,
    call: number,
    listening: Set<TaskToolkit<never>>,
    tell: (value: unknown) => void,
  ) {
    this.#words = words;
    this.#call = call;
    this.#listening = listening;
    this.#tell = tell;
  }

  /**
   * Sends `value` to the host at once, also out of a busy loop: the listeners of `call.on("progress", listener)` get it, before
   * the call has its result. Values follow one another in order. Where the host does not keep up only the newest of
   * those that found no room is kept. False, and nothing is sent, once the call has its result or nobody waits for it. Throws
   * `UnsupportedPayloadError` or `PayloadTooLargeError` if it can't be sent.
   */
  readonly progress = (value: Progress): boolean => {
    if (this.#last !== undefined || this.hasAborted()) {
      return false;
    }
    this.#tell(value);
    return true;
  };

  /**
   * Whether nobody waits for the call any more: its time was over, it was aborted, or whoever read its stream has left. It costs
   * a look into shared memory, and is true at once, also in a busy loop.
   */
  readonly hasAborted = (): boolean => this.#last ?? isAborted(this.#words, this.#call);

  /** Milliseconds since some moment, with fractions. */
  readonly now = (): number => now();

  /** The same as a standard signal. It tells when the event loop gets a turn. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#last === undefined) {
        this.#listening.add(this);
      }
      this.look();
    }
    return this.#controller.signal;
  }

  /** @internal Tells the signal if the bit is set. */
  look(): void {
    if (this.hasAborted()) {
      this.#listening.delete(this);
      this.#controller?.abort();
    }
  }

  /** @internal The call has been answered. */
  close(): void {
    this.#last ??= isAborted(this.#words, this.#call);
    this.#listening.delete(this);
  }
}
