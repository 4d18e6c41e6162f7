/**
 * The pool's option `payload`: how much memory a lane has for encoded values, and how much of it one value may take.
 */

import { choice, record, refuse, refuseUnknown, wholeNumber } from "../base/validate";
import { DEFAULT_ARENA_BYTES } from "../native/layout";
import { ARENA_STEP_BYTES, MAX_ARENA_BYTES, SMALLEST_PAYLOAD_LIMIT } from "./limits";

/**
 * Memory for payloads. Each worker shares a block of memory with this process, with `payloadMaxByteLength` bytes for
 * each direction. The block is reserved, which costs nothing, and its pages are allocated as they are used. Those for
 * the direction to the worker can be allocated in part or in whole when the worker is started.
 */
export interface PayloadOptions {
  /**
   * `"growable"`, the default: memory is allocated when it is needed, and given back after it has been idle for a
   * while. `"fixed"`: all memory for the direction to the worker is allocated at the start and kept:
   * `payloadMaxByteLength` for each worker.
   */
  mode?: "growable" | "fixed" | undefined;
  /**
   * Bytes for the direction to a worker that are allocated when the worker is started, and kept; rounded up to a
   * multiple of 65 536. From 0 to `payloadMaxByteLength`. Default 0, or `payloadMaxByteLength` if `mode` is
   * `"fixed"`. If the system doesn't have that much memory, `createPool` throws a `KnittingError` with `code`
   * `"KNITTING_NO_MEMORY"`.
   */
  payloadInitialBytes?: number | undefined;
  /**
   * Bytes for each direction of each worker, from 65 536 to 2 147 483 648; rounded up to a multiple of 65 536.
   * Default 268 435 456, which is 256 MiB. Values for which no memory is free wait, in order.
   */
  payloadMaxByteLength?: number | undefined;
  /**
   * Bytes that one encoded argument or result may take, from 64 to `payloadMaxByteLength`, which is also the default.
   * A larger value rejects its call with `PayloadTooLargeError`. An error that a task throws may take 64 KiB in any
   * case.
   */
  maxPayloadBytes?: number | undefined;
}

/** The option `payload` as the pool uses it. */
export interface ResolvedPayload {
  /** Bytes of each arena. */
  readonly arenaBytes: number;
  readonly maxPayloadBytes: number;
  /** Bytes of the arena for the direction to the worker that are allocated at the start and kept. */
  readonly initialBytes: number;
}

const CALLER = "createPool";
const KNOWN = ["mode", "payloadInitialBytes", "payloadMaxByteLength", "maxPayloadBytes"];

/** Validates the pool's option `payload` and fills in the defaults. */
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
