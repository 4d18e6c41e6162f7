/**
 * Views in one value that share bytes of one buffer, and still share them after decoding.
 *
 * A view is sent without the rest of its buffer, which may be large or hold private data. Views that overlap are sent
 * as one region, in which every byte belongs to one of the views. If views of one buffer don't overlap, nobody can tell
 * from their bytes that they have a buffer in common.
 */

/** Regions start and end at multiples of this in their buffer, so that each view stays aligned. */
const ALIGN_BYTES = 8;

/** Bytes of a buffer that are sent once. */
export interface Region {
  /** The object that represents the region where objects are told apart: the buffer, if that is sent too. */
  readonly identity: object;
  /** Offset of the first byte in the buffer, rounded down to the alignment. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

export class Regions {
  readonly #regions = new Map<ArrayBufferLike, Region[]>();

  /**
   * Finds the regions that more than one of these views share. `buffers` are the buffers that are sent themselves, not
   * only through views.
   */
  constructor(views: readonly Uint8Array[], buffers: ReadonlySet<ArrayBufferLike>) {
    const ofBuffer = new Map<ArrayBufferLike, Uint8Array[]>();
    for (const view of views) {
      const others = ofBuffer.get(view.buffer);
      if (others === undefined) {
        ofBuffer.set(view.buffer, [view]);
      } else {
        others.push(view);
      }
    }
    for (const [buffer, shown] of ofBuffer) {
      const found = shown.length > 1 ? regionsOf(buffer, shown, buffers.has(buffer)) : [];
      if (found.length > 0) {
        this.#regions.set(buffer, found);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#regions.size === 0;
  }

  /** The region that a view's bytes lie in. */
  of({ buffer, byteOffset, byteLength }: Uint8Array): Region | undefined {
    const regions = this.#regions.get(buffer);
    if (regions === undefined || byteLength === 0) {
      return undefined;
    }
    let from = 0;
    let to = regions.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (endOf(regions[middle]) <= byteOffset) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    const region = regions[from];
    const isWithin =
      region !== undefined &&
      region.bytes.byteOffset <= byteOffset &&
      endOf(region) >= byteOffset + byteLength;
    return isWithin ? region : undefined;
  }
}

/** The regions of a buffer, in order. */
function regionsOf(buffer: ArrayBufferLike, shown: readonly Uint8Array[], whole: boolean): Region[] {
  const regions: Region[] = [];
  let [start, end, count] = [0, 0, 0];
  const close = () => {
    if (count > 1) {
      const bytes = new Uint8Array(buffer, start, end - start);
      regions.push({ identity: whole ? buffer : bytes, start: start - (start % ALIGN_BYTES), bytes });
    }
  };
  for (const { byteOffset, byteLength } of [...shown].sort((a, b) => a.byteOffset - b.byteOffset)) {
    if (byteLength === 0) {
      continue;
    }
    if (count > 0 && byteOffset < end) {
      end = Math.max(end, byteOffset + byteLength);
      count++;
    } else {
      close();
      [start, end, count] = [byteOffset, byteOffset + byteLength, 1];
    }
  }
  close();
  return regions;
}

function endOf({ bytes }: Region): number {
  return bytes.byteOffset + bytes.byteLength;
}
