/** The sending end of a stream, see protocol.ts. */
import { type AsyncScope, currentScope } from "../base/async-scope";
import { now, setImmediate } from "../base/clock";
import { FLAG_REJECTED } from "../native/layout";
import { iteratorOf, type Source } from "./protocol";

/** Where a stream is sent. */
export interface SenderLane {
  /** Sends an item. Returns the units of credit that the item takes. Throws if it can't be sent. */
  send(item: unknown): number;
  /** Reports that no more items follow, and what the iterator returned or, with `FLAG_REJECTED`, what it threw. */
  end(flags: number, value: unknown): void;
  /** Reports whether there is credit to use, or the sender has to wait for some. */
  busy?(isBusy: boolean): void;
}

/** How long items may follow one another before the event loop gets a turn. */
const TURN_MILLIS = 1;

export class StreamSender {
  readonly #source: Source;
  /** The stores in which the iterator runs: those of the call. What follows an item in them needs no other entry. */
  readonly #scope: AsyncScope = currentScope();
  #lane: SenderLane | undefined;
  #iterator: AsyncIterator<unknown, unknown> | undefined;
  #credit = 0;
  #isOver = false;
  #isBusy = false;
  #turnBegan = 0;
  /** Whether an item has been requested from the iterator and has not come. */
  isPulling = false;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Whether anything of the stream was requested. After that the stream can't be sent elsewhere from its start. */
  get hasBegun(): boolean {
    return this.#iterator !== undefined;
  }

  /** Sets where the stream goes, before any credit arrives. */
  connect(lane: SenderLane): void {
    this.#lane = lane;
  }

  /** Allows items of this many more units. */
  grant(units: number): void {
    this.#credit += units;
    this.#turnBegan = now();
    this.#scope(this.#pull);
  }

  /**
   * Ends the iterator because no more items are wanted, and then the stream with what the iterator returns for `value`.
   */
  cancel(value: unknown): void {
    this.#closeInScope(
      value,
      (returned) => this.#end(0, returned),
      (error) => this.#end(FLAG_REJECTED, error),
    );
  }

  /** Ends the iterator because the call is over, and reports nothing. */
  stop(): void {
    const done = () => {};
    this.#closeInScope(undefined, done, done);
  }

  #closeInScope(value: unknown, returned: (value: unknown) => void, failed: (error: unknown) => void): void {
    this.#scope(() => this.#close(value, returned, failed));
  }

  /** Requests the next item, if that is allowed. */
  readonly #pull = (): void => {
    if (this.isPulling || this.#isOver) {
      return;
    }
    if (this.#credit <= 0) {
      this.#tellBusy(false);
      return;
    }
    this.#tellBusy(true);
    this.isPulling = true;
    try {
      this.#iterator ??= iteratorOf(this.#source);
      Promise.resolve(this.#iterator.next()).then(this.#take, this.#fail);
    } catch (error) {
      this.#fail(error);
    }
  };

  /** The next item has come. */
  readonly #take = (step: IteratorResult<unknown, unknown>): void => {
    this.isPulling = false;
    if (this.#isOver) {
      return;
    }
    try {
      if (step.done) {
        const { value } = step;
        this.#isOver = true;
        this.#end(0, value);
        return;
      }
      // More credit may arrive during this call.
      const units = (this.#lane as SenderLane).send(step.value);
      this.#credit -= units;
    } catch (error) {
      // An item that can't be sent ends the stream, and the iterator is ended as in any other case.
      const tell = () => this.#end(FLAG_REJECTED, error);
      this.#close(undefined, tell, tell);
      return;
    }
    if (now() - this.#turnBegan > TURN_MILLIS) {
      setImmediate(this.#resume);
    } else {
      this.#pull();
    }
  };

  readonly #resume = (): void => {
    this.#turnBegan = now();
    this.#pull();
  };

  /** The iterator has thrown. */
  readonly #fail = (error: unknown): void => {
    this.isPulling = false;
    if (!this.#isOver) {
      this.#isOver = true;
      this.#end(FLAG_REJECTED, error);
    }
  };

  #close(value: unknown, returned: (value: unknown) => void, failed: (error: unknown) => void): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#tellBusy(true);
    try {
      this.#iterator ??= iteratorOf(this.#source);
      if (typeof this.#iterator.return !== "function") {
        returned(value);
        return;
      }
      Promise.resolve(this.#iterator.return(value)).then((step) => returned(step?.value), failed);
    } catch (error) {
      failed(error);
    }
  }

  #end(flags: number, value: unknown): void {
    this.#tellBusy(false);
    this.#lane?.end(flags, value);
  }

  #tellBusy(isBusy: boolean): void {
    if (isBusy !== this.#isBusy) {
      this.#isBusy = isBusy;
      this.#lane?.busy?.(isBusy);
    }
  }
}
