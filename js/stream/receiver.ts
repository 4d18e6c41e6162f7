/** The receiving end of a stream, see protocol.ts. */
import { STREAM_WINDOW } from "../native/layout";

/** Where a stream comes from. */
export interface ReceiverLane {
  /** Allows items of this many more units. */
  grant(units: number): void;
  /** Tells the sender that no more items are wanted. Throws if the value can't be sent. */
  cancel(value: unknown): void;
  /** Records whether somebody waits for the next item. */
  attend(waits: boolean): void;
}

/** Number of units that were taken before the sender gets them back. */
const GRANT_UNITS = STREAM_WINDOW / 4;

/** A reader that waits for an item or for the stream's end. */
interface Waiter {
  readonly wantsItem: boolean;
  /** The reader, which must not be collected before it has got what it waits for. */
  readonly reader: object;
  resolve(result: IteratorResult<unknown, unknown>): void;
  reject(error: unknown): void;
}

type End = { readonly error: unknown } | { readonly value: unknown };

/** The end after it has been delivered. */
const OVER: End = { value: undefined };

/**
 * The items of a stream that have arrived, and the readers that wait for more. This class doesn't refer to the
 * {@link TaskStream} that is read.
 */
export class StreamReceiver {
  readonly #lane: ReceiverLane;
  #items: unknown[] = [];
  #units: number[] = [];
  #first = 0;
  #waiters: Waiter[] = [];
  /** Number of units that were taken and not given back. */
  #taken = 0;
  #end: End | undefined;
  #isCancelled = false;

  /**
   * `taken` units are granted with the first request for an item. It is 0 if the sender has had them from the start.
   */
  constructor(lane: ReceiverLane, taken: number) {
    this.#lane = lane;
    this.#taken = taken;
  }

  /** Whether somebody waits for the sender. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** An item has arrived. */
  push(item: unknown, units: number): void {
    if (this.#end !== undefined || this.#isCancelled) {
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#items.push(item);
      this.#units.push(units);
      return;
    }
    waiter.resolve({ done: false, value: item });
    this.#giveBack(units);
    if (this.#waiters.length === 0) {
      this.#lane.attend(false);
    }
  }

  /** The sender's iterator has returned, and no more items follow. */
  readonly finish = (value: unknown): void => this.#over({ value });

  /** No more items follow because of an error. The items that arrived before it can be read first. */
  readonly fail = (error: unknown): void => this.#over({ error });

  /** Discards the items that have arrived. */
  discard(): void {
    this.#items = [];
    this.#units = [];
    this.#first = 0;
  }

  /** Ends the stream because nobody can read it any more. */
  abandon(): void {
    this.discard();
    if (this.#end === undefined && !this.#isCancelled) {
      this.#isCancelled = true;
      this.#lane.cancel(undefined);
    }
  }

  /** The next item, for `reader`. */
  next(reader: object): Promise<IteratorResult<unknown, unknown>> {
    if (this.#first < this.#items.length) {
      const value = this.#items[this.#first];
      const units = this.#units[this.#first];
      this.#items[this.#first++] = undefined;
      if (this.#first === this.#items.length) {
        this.discard();
      }
      if (this.#end === undefined) {
        this.#giveBack(units);
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#end === undefined) {
      if (!this.#isCancelled) {
        this.#giveBack(0);
      }
      return this.#wait(reader, true);
    }
    const end = this.#end;
    this.#end = OVER;
    return "error" in end ? Promise.reject(end.error) : Promise.resolve({ done: true, value: end.value });
  }

  /** Ends the stream early. Resolves when the sender's iterator has ended, with what it returned for `value`. */
  return(reader: object, value: unknown): Promise<IteratorResult<unknown, unknown>> {
    this.discard();
    if (this.#end !== undefined) {
      this.#end = OVER;
      return Promise.resolve({ done: true, value });
    }
    if (this.#isCancelled) {
      return this.#wait(reader, false).then(() => ({ done: true, value }));
    }
    this.#isCancelled = true;
    try {
      this.#lane.cancel(value);
    } catch (error) {
      this.#lane.cancel(undefined);
      return this.#wait(reader, false).then(() => {
        throw error;
      });
    }
    return this.#wait(reader, false);
  }

  #wait(reader: object, wantsItem: boolean): Promise<IteratorResult<unknown, unknown>> {
    if (this.#waiters.length === 0) {
      this.#lane.attend(true);
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ wantsItem, reader, resolve, reject });
    });
  }

  #giveBack(units: number): void {
    this.#taken += units;
    if (this.#taken >= GRANT_UNITS) {
      const { length } = this.#items;
      this.#lane.grant(this.#taken);
      this.#taken = 0;
      if (this.#first * 2 > length) {
        this.#items = this.#items.slice(this.#first);
        this.#units = this.#units.slice(this.#first);
        this.#first = 0;
      }
    }
  }

  #over(end: End): void {
    if (this.#end !== undefined) {
      return;
    }
    this.#end = end;
    const waiters = this.#waiters;
    this.#waiters = [];
    if (waiters.length > 0) {
      this.#lane.attend(false);
    }
    for (const { wantsItem, resolve, reject } of waiters) {
      let told: End = OVER;
      // The end is delivered once: to the reader that asked for an item, or to the one that ended the stream early.
      if (wantsItem !== this.#isCancelled) {
        told = this.#end;
        this.#end = OVER;
      }
      if ("error" in told) {
        reject(told.error);
      } else {
        resolve({ done: true, value: told.value });
      }
    }
  }
}
