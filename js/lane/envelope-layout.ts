/**
 * The layout of an envelope in an arena.
 *
 * ```text
 *   payload, as it is | up to a multiple of 8 | header, encoded | length of the payload: 4 bytes, little-endian
 * ```
 *
 * The payload comes first, so that it can be put in place before anything is known about the rest.
 */
import { PAYLOAD_ALIGN } from "../native/layout";

export const TAIL_BYTES = 4;

/** Offset of the header behind a payload of this many bytes. */
export function headerAfter(byteLength: number): number {
  return Math.ceil(byteLength / PAYLOAD_ALIGN) * PAYLOAD_ALIGN;
}
