/** The pool's option `payload`: how much memory a lane has for what is sent through it, and how much of it one value may take. */

import { choice, record, refuse, refuseUnknown, wholeNumber } from "../base/validate";
import { DEFAULT_ARENA_BYTES } from "../native/layout";
import { ARENA_STEP_BYTES, MAX_ARENA_BYTES, SMALLEST_PAYLOAD_LIMIT } from "./limits";

/**
 * Memory for payloads. Each worker shares a block of memory with this process that has room for `payloadMaxByteLength` in
 * each direction. It is reserved, which costs nothing, and taken from the system as it is used: of what goes to the worker,
 * some or all can be taken when the worker is started.
 */
export interface PayloadOptions {
  /**
   * `"growable"`, the default: memory is taken as it is needed and given back when it has been idle for a while. `"fixed"`:
   * all that goes to a worker has its memory from the start and keeps it, `payloadMaxByteLength` for each worker.
   */
  mode?: "growable" | "fixed" | undefined;
  /**
   * Bytes for what goes to a worker that are taken from the system when it is started, and kept; rounded up to a multiple of
   * 65 536. From 0, the default, to `payloadMaxByteLength`, which it is if `mode` is `"fixed"`. Where the system has no memory
   * for them `createPool` throws a `KnittingError` with code `"KNITTING_NO_MEMORY"`.
   */
  payloadInitialBytes?: number | undefined;
  /**
   * Bytes in each direction of each worker, from 65 536 to 2 147 483 648; rounded up to a multiple of 65 536. Default
   * 268 435 456, which is 256 MiB. What finds no room waits, in order.
   */
  payloadMaxByteLength?: number | undefined;
  /**
   * Bytes that one encoded argument or result may take, from 64 to `payloadMaxByteLength`, which is also the default. A
   * larger one rejects its call with `PayloadTooLargeError`. An error that a task throws may take 64 KiB in any case.
   */
  maxPayloadBytes?: number | undefined;
}

/** The same as the pool uses it. */
export interface ResolvedPayload {
  /** Bytes of each arena. */
  readonly arenaBytes: number;
  readonly maxPayloadBytes: number;
  /** Bytes of the arena towards the worker that are taken from the system at the start, and kept. */
  readonly initialBytes: number;
}

const CALLER = "createPool";
const KNOWN = ["mode", "payloadInitialBytes", "payloadMaxByteLength", "maxPayloadBytes"];

/** Checks the pool's option `payload` and fills in the defaults. */
export function resolvePayload(given: unknown = {}): ResolvedPayload {
  const payload = record(CALLER, "payload", given);
  refuseUnknown(CALLER, payload, KNOWN, "payload.");
  const { mode = "growable", payloadMaxByteLength = DEFAULT_ARENA_BYTES } = payload;
  const isFixed = choice(CALLER, "payload.mode", mode, ["growable", "fixed"]) === "fixed";
  const most = wholeNumber(
    CALLER,
    "payload.payloadMaxByteLength",
    payloadMaxByteLength,
    ARENA_STEP_BYTES,
    MAX_ARENA_BYTES,
  );
  const { maxPayloadBytes = most, payloadInitialBytes = isFixed ? most : 0 } = payload;
  const option = "payload.payloadInitialBytes";
  const initialBytes = wholeNumber(CALLER, option, payloadInitialBytes, 0, most);
  if (isFixed && initialBytes !== most) {
    const why = 'payload.payloadMaxByteLength, since "payload.mode" is "fixed"';
    refuse(CALLER, option, initialBytes, `left out or ${most}, which is ${why}`);
  }
  return {
    arenaBytes: Math.ceil(most / ARENA_STEP_BYTES) * ARENA_STEP_BYTES,
    maxPayloadBytes: wholeNumber(
      CALLER,
      "payload.maxPayloadBytes",
      maxPayloadBytes,
      SMALLEST_PAYLOAD_LIMIT,
      most,
    ),
    initialBytes,
  };
}
