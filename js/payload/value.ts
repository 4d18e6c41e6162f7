/**
 * The values that can be sent, and the one class of this package among them: `Envelope`, a header with a large binary
 * payload.
 */
import { types } from "node:util";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { foreignMemory, ProcessSharedBuffer } from "../shared-memory/process-shared-buffer";

/**
 * The values that can be sent to a task and returned from it. Functions, class instances, and symbols other than those
 * of `Symbol.for` can't be sent. A `SharedArrayBuffer`, or a view of one, is shared with worker threads and refused for
 * process workers.
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

/** @internal The header and the payload of an envelope of another copy; `undefined` if the value is not an envelope. */
export function foreignEnvelope(value: object): Pick<Envelope, "header" | "payload"> | undefined {
  return (value as { [ENVELOPE]?: Envelope })[ENVELOPE];
}

/** What an envelope may carry: bytes, which are copied, or shared memory. */
export type EnvelopePayload = ArrayBuffer | ArrayBufferView | SharedArrayBuffer | ProcessSharedBuffer;

/**
 * A small header with a large binary payload, as one argument or result. The header is encoded when the envelope is
 * sent, and the payload's bytes are copied once on each side. A `SharedArrayBuffer`, a `ProcessSharedBuffer` and an
 * array from `pool.alloc` are not copied at all.
 *
 * @example
 * const { header, payload } = await pool.call.resize(new Envelope({ width: 640 }, image.buffer));
 */
export class Envelope<Header extends Payload = Payload, Data extends EnvelopePayload = EnvelopePayload> {
  /** Description of the payload: any value that can be sent. */
  readonly header: Header;
  /** The bytes. */
  readonly payload: Data;

  /**
   * Creates an envelope.
   *
   * @throws InvalidOptionError if the payload is not binary
   */
  constructor(header: Header, payload: Data) {
    if (!isEnvelopePayload(payload)) {
      throw new InvalidOptionError(
        `Envelope: "payload" is ${describe(payload)}, it must be an ArrayBuffer, a view of one, a ` +
          "SharedArrayBuffer or a ProcessSharedBuffer",
      );
    }
    this.header = header;
    this.payload = payload;
  }

  /** @internal */
  get [ENVELOPE](): Pick<Envelope, "header" | "payload"> {
    return { header: this.header, payload: this.payload };
  }

  /** Closes a payload that is a `ProcessSharedBuffer`. Any other payload is left to the garbage collector. */
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
