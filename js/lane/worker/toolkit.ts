/** The toolkit of one call, which its task gets as the second argument. */
import { type AsyncScope, currentScope } from "../../base/async-scope";
import { now } from "../../base/clock";
import { ABORTS_AT } from "../../native/layout";
import type { TaskToolkit } from "../../task/toolkit";

/** Index of the first word of abort bits. */
const FIRST_WORD = ABORTS_AT >> 2;
const WORD_BITS = 32;

/** Whether the host has set the abort bit of a call. */
export function isAborted(words: Uint32Array, call: number): boolean {
  return (Atomics.load(words, FIRST_WORD + Math.floor(call / WORD_BITS)) & (1 << (call % WORD_BITS))) !== 0;
}

export class CallToolkit<Progress = unknown> implements TaskToolkit<Progress> {
  readonly #words: Uint32Array;
  readonly #call: number;
  readonly #listening: Set<CallToolkit<never>>;
  /** Whether the caller waits on after an abort. */
  readonly #keepsPartial: boolean;
  readonly #emitProgress: (value: unknown) => void;
  #controller: AbortController | undefined;
  /** The stores in which the task has asked for its signal. */
  #scope: AsyncScope | undefined;
  /** The abort state when the call was answered. After that the bit may belong to another call. */
  #last: boolean | undefined;

  constructor(
    words: Uint32Array,
    call: number,
    listening: Set<CallToolkit<never>>,
    keepsPartial: boolean,
    emitProgress: (value: unknown) => void,
  ) {
    this.#words = words;
    this.#call = call;
    this.#listening = listening;
    this.#keepsPartial = keepsPartial;
    this.#emitProgress = emitProgress;
  }

  readonly progress = (value: Progress): boolean => {
    if (this.#last !== undefined || (!this.#keepsPartial && this.hasAborted())) {
      return false;
    }
    this.#emitProgress(value);
    return true;
  };

  readonly hasAborted = (): boolean => this.#last ?? isAborted(this.#words, this.#call);

  readonly now = (): number => now();

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      this.#scope = currentScope();
      if (this.#last === undefined) {
        this.#listening.add(this);
      }
      this.look();
    }
    return this.#controller.signal;
  }

  /** Aborts the signal if the bit is set. */
  look(): void {
    if (this.hasAborted()) {
      this.#listening.delete(this);
      this.#scope?.(() => this.#controller?.abort());
    }
  }

  /** Called when the call has been answered. */
  close(): void {
    this.#last ??= isAborted(this.#words, this.#call);
    this.#listening.delete(this);
  }
}
