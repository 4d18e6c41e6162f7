/**
 * Memory that several processes map, as one JavaScript environment sees it: any number of buffers over it, all closed
 * at once.
 */
import { SharedMemoryError } from "../base/errors";
import type { NativeSharedBuffer } from "../native/addon";
import { native } from "../native/addon";

/** A part must begin at a multiple of this, so that every class of views fits it. */
export const ALIGN_BYTES = 8;

export class SharedMapping {
  readonly byteLength: number;
  readonly #native: NativeSharedBuffer;
  readonly #onClose: ((mapping: SharedMapping) => void) | undefined;
  #buffers: WeakRef<ArrayBuffer>[] = [];
  /** Number of buffers at which collected ones are looked for again. */
  #crowd = 16;
  #closed = false;

  constructor(
    memory: NativeSharedBuffer,
    /** The name by which others can open the memory, if it has one. */
    readonly name: string | undefined,
    /** The number by which the host refers to the memory; undefined in the host itself. */
    readonly hostNumber?: number,
    onClose?: (mapping: SharedMapping) => void,
  ) {
    this.#native = memory;
    this.#onClose = onClose;
    this.byteLength = memory.byteLength;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Distinguishes the memory from other memory that has had its name. */
  get inode(): number {
    return this.native.inode;
  }

  /** The memory itself. Throws `SharedMemoryError` if it is closed or gone. */
  get native(): NativeSharedBuffer {
    if (this.#closed) {
      throw new SharedMemoryError("closed", "the shared memory is closed");
    }
    if (this.#native.lost) {
      throw new SharedMemoryError("lost", "the shared memory is gone: another process has truncated it");
    }
    return this.#native;
  }

  /** These bytes as a new buffer over the same memory. Throws `SharedMemoryError`. */
  buffer(offset: number, byteLength: number): ArrayBuffer {
    const buffer = this.native.buffer(offset, byteLength);
    if (this.#buffers.length >= this.#crowd) {
      this.#buffers = this.#buffers.filter((known) => known.deref() !== undefined);
      this.#crowd = Math.max(16, this.#buffers.length * 2);
    }
    this.#buffers.push(new WeakRef(buffer));
    return buffer;
  }

  /** Detaches all buffers over the memory, and releases it. */
  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    for (const known of this.#buffers) {
      const buffer = known.deref();
      if (buffer !== undefined) {
        native().detach(buffer);
      }
    }
    this.#buffers = [];
    this.#native.close();
    this.#onClose?.(this);
  }
}
