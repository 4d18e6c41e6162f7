/** One call, from `pool.call` to its result. */
import { queueMicrotask } from "../clock";
import { ROLE_STREAM } from "../generated/layout";
import type { NativeHostLane } from "../native";
import { NothingShared, type Reference, type Referrer } from "../shared/shares";
import { type Parcel, pack, recover } from "./outbox";
import type { Source } from "./stream";
import type { StreamReceiver } from "./stream-receiver";
import { StreamSender } from "./stream-sender";
import { ReadStream } from "./task-stream";

/** How long a task may take, and what its call comes to then. */
export interface TimeLimit {
  readonly millis: number;
  /** Settles the call. */
  readonly end: (call: Call) => void;
}

/** Where a call is in flight. */
export interface Carrier {
  /** The call was settled before its task has answered. */
  forsake(call: Call): void;
}

/** What is sent in place of an argument that is a stream. */
const STREAM_ARGUMENT = pack(ROLE_STREAM, undefined, new NothingShared());

export class Call {
  /** Its argument as it was when the call was made, while it waits for room or for another worker. */
  parcel: Parcel | undefined = undefined;
  /** Sequence number of its submission, while it is in flight. */
  sequence = 0;
  /** Its number on the lane, while it is in flight. */
  id = 0;
  /** How many workers have died before they started it. */
  moves = 0;
  /** When its worker was seen to owe something: the result, or the item that somebody waits for. 0 while it doesn't. */
  startedAt = 0;
  /** Nobody waits for it any more: its time was over, or it was aborted. */
  forsaken = false;
  /** It keeps no process alive: it is forsaken, or a stream that nobody waits for. */
  unattended = false;
  /** The lane it is in flight on. */
  carrier: Carrier | undefined = undefined;
  /** Its argument, if that is a stream. */
  source: StreamSender | undefined = undefined;
  /** Its result, if that is a stream. */
  stream: StreamReceiver | undefined = undefined;
  /** What settles its promise, until that has a stream. */
  fulfil!: (value: unknown) => void;
  fail!: (error: unknown) => void;
  #listeners: ((value: unknown) => void)[] | undefined = undefined;
  #endings: (() => void)[] | undefined = undefined;

  constructor(
    readonly task: number,
    readonly limit: TimeLimit | undefined,
  ) {}

  /** It is over: `value` is its result, or what its stream returns. */
  resolve(value: unknown): void {
    this.fulfil(value);
    this.#end();
  }

  /** It is over, because of `error`. */
  reject(error: unknown): void {
    this.fail(error);
    this.#end();
  }

  /** Has `ending` called when it is over. */
  whenOver(ending: () => void): void {
    this.#endings ??= [];
    this.#endings.push(ending);
  }

  /** Keeps the argument as it is now. False, and the call has rejected, if it can't be sent. */
  pack(argument: unknown, referrer: Referrer): boolean {
    try {
      this.parcel = pack(0, argument, referrer);
      return true;
    } catch (error) {
      this.reject(error);
      return false;
    }
  }

  /** Its argument is a stream. From here on that is the call's, which ends it in any case. */
  send(source: Source): void {
    const sender = new StreamSender(source);
    this.source = sender;
    this.parcel = STREAM_ARGUMENT;
    this.whenOver(() => sender.stop());
  }

  /** Keeps its argument as it was sent by `lane`, for another. Throws if it has gone with the memory. */
  recover(lane: NativeHostLane, references: readonly Reference[] | undefined): void {
    this.parcel = this.source === undefined ? recover(lane, this.sequence, references) : STREAM_ARGUMENT;
  }

  /** Whether its streams have begun, whatever its worker says: it can't be begun again. */
  get hasStreamed(): boolean {
    return this.stream !== undefined || this.source?.hasBegun === true;
  }

  /** Whether its worker is to do something: not while nobody waits for an item, nor while the host's own stream is waited for. */
  get isOwed(): boolean {
    return this.stream?.isAwaited !== false && this.source?.isPulling !== true;
  }

  /** Has `listener` called with what the task tells while it runs. */
  listen(listener: (value: unknown) => void): void {
    this.#listeners ??= [];
    this.#listeners.push(listener);
  }

  /** Its task tells something. What a listener throws harms the lane not. */
  tell(value: unknown): void {
    if (this.#listeners !== undefined && !this.forsaken) {
      for (const listener of this.#listeners) {
        queueMicrotask(() => listener(value));
      }
    }
  }

  /** Its result turns out to be a stream. From here on nothing leads back to the promise, so that both can be collected. */
  open(stream: StreamReceiver): void {
    this.stream = stream;
    if (this.forsaken) {
      stream.abandon();
      return;
    }
    this.fulfil(new ReadStream(stream));
    this.fulfil = stream.finish;
    this.fail = stream.fail;
  }

  /** Settles it now, whatever its task comes to. */
  forsake(settle: (call: Call) => void): void {
    if (!this.forsaken) {
      this.forsaken = true;
      this.stream?.discard();
      settle(this);
      this.carrier?.forsake(this);
    }
  }

  #end(): void {
    if (this.#endings !== undefined) {
      const endings = this.#endings;
      this.#endings = undefined;
      for (const ending of endings) {
        ending();
      }
    }
  }
}
