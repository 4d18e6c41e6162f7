/** The sending end of a stream, see stream.ts. */
import { now, setImmediate } from "../base/clock";
import { FLAG_REJECTED } from "../native/layout";
import { iteratorOf, type Source } from "./protocol";

/** Where a stream is sent. */
export interface SenderLane {
  /** Sends an item: the units of credit that it takes. Throws if it can't be sent. */
  send(item: unknown): number;
  /** Tells that there are no more items, with `FLAG_REJECTED` because of an error, and what the iterator returned or threw. */
  end(flags: number, value: unknown): void;
  /** There is credit to work with, or the sender has to wait for some. */
  busy?(isBusy: boolean): void;
}

/** How long items may follow one another before the event loop gets a turn. */
const TURN_MILLIS = 1;

export class StreamSender {
  readonly #source: Source;
  #lane: SenderLane | undefined;
  #iterator: AsyncIterator<unknown, unknown> | undefined;
  #credit = 0;
  #isOver = false;
  #isBusy = false;
  #turnBegan = 0;
  /** Whether an item has been asked for and has not come. */
  isPulling = false;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Whether anything of the stream was asked for: it can't be sent elsewhere from the start any more. */
  get hasBegun(): boolean {
    return this.#iterator !== undefined;
  }

  /** Says where the stream goes, before any credit. */
  connect(lane: SenderLane): void {
    this.#lane = lane;
  }

  /** Items of so many more units may be sent. */
  grant(units: number): void {
    this.#credit += units;
    this.#turnBegan = now();
    this.#pull();
  }

  /** No more items are wanted: ends the iterator, and then the stream with what it makes of `value`. */
  cancel(value: unknown): void {
    this.#close(
      value,
      (returned) => this.#end(0, returned),
      (error) => this.#end(FLAG_REJECTED, error),
    );
  }

  /** The call is over: ends the iterator, and tells nobody. */
  stop(): void {
    const done = () => {};
    this.#close(undefined, done, done);
  }

  /** Asks for the next item, if it may. */
  #pull(): void {
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
  }

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
      // More credit may come meanwhile.
      const units = (this.#lane as SenderLane).send(step.value);
      this.#credit -= units;
    } catch (error) {
      // An item that can't be sent is the end, and the iterator hears of it as of any other.
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
