/** What may be sent, and the one value of ours that is not JavaScript's own: a header beside a large binary payload. */
import { types } from "node:util";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { foreignMemory, ProcessSharedBuffer } from "../shared-memory/process-shared-buffer";

/**
 * What may be sent to a task and returned from it. Functions and class instances may not, nor symbols other than those of
 * `Symbol.for`. A `SharedArrayBuffer`, and a view of one, is shared with worker threads, and refused for processes.
 */
export type Payload =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | symbol
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | SharedArrayBuffer
  | ProcessSharedBuffer
  | Envelope
  | ReadonlyMap<Payload, Payload>
  | ReadonlySet<Payload>
  | readonly Payload[]
  | { readonly [key: string]: Payload };

/** @internal The member by which another copy of this package reads an envelope. */
export const ENVELOPE = Symbol.for("knitting-native.envelope");

/** @internal The header and the payload of an envelope of another copy; `undefined` if the value is none. */
export function foreignEnvelope(value: object): Pick<Envelope, "header" | "payload"> | undefined {
  return (value as { [ENVELOPE]?: Envelope })[ENVELOPE];
}

/** What an envelope may carry: bytes to be copied, or memory to be shared. */
export type EnvelopePayload = ArrayBuffer | ArrayBufferView | SharedArrayBuffer | ProcessSharedBuffer;

/**
 * A small header beside a large binary payload, as one argument or result. It is encoded at once, and the payload's bytes are
 * copied once on each side; a `SharedArrayBuffer` or `ProcessSharedBuffer` is not copied at all, nor is an array of `pool.alloc`.
 *
 * @example
 * const { header, payload } = await pool.call.resize(new Envelope({ width: 640 }, image.buffer));
 */
export class Envelope<Header extends Payload = Payload, Data extends EnvelopePayload = EnvelopePayload> {
  /** What is said of the payload: any value that can be sent. */
  readonly header: Header;
  /** The bytes. */
  readonly payload: Data;

  /** Throws `InvalidOptionError` if the payload is not binary. */
  constructor(header: Header, payload: Data) {
    if (!isEnvelopePayload(payload)) {
      throw new InvalidOptionError(
        `Envelope: "payload" is ${describe(payload)}, it must be an ArrayBuffer, a view of one, a SharedArrayBuffer or a ProcessSharedBuffer`,
      );
    }
    this.header = header;
    this.payload = payload;
  }

  /** @internal */
  get [ENVELOPE](): Pick<Envelope, "header" | "payload"> {
    return { header: this.header, payload: this.payload };
  }

  /** Closes a payload that is a `ProcessSharedBuffer`; any other is left to be collected. */
  [Symbol.dispose](): void {
    const payload: object = this.payload;
    if (payload instanceof ProcessSharedBuffer || foreignMemory(payload) !== undefined) {
      (payload as ProcessSharedBuffer)[Symbol.dispose]();
    }
  }
}

/** @internal */
export function isEnvelopePayload(value: unknown): value is EnvelopePayload {
  return (
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof ProcessSharedBuffer ||
    (typeof value === "object" && value !== null && foreignMemory(value) !== undefined)
  );
}
