/**
 * An envelope in an arena.
 *
 * ```text
 *   payload, as it is | up to a multiple of 8 | header, encoded | length of the payload: 4 bytes, little-endian
 * ```
 *
 * The payload comes first, so that it can lie there before anything is known of the rest.
 */
import { PAYLOAD_ALIGN } from "../native/layout";

export const TAIL_BYTES = 4;

/** Where the header begins behind a payload of so many bytes. */
export function headerAfter(byteLength: number): number {
  return Math.ceil(byteLength / PAYLOAD_ALIGN) * PAYLOAD_ALIGN;
}
