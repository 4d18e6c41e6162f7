/** Memory that several processes map, as one JavaScript environment has it: any number of buffers over it, all closed at once. */
import { SharedMemoryError } from "../base/errors";
import type { NativeSharedBuffer } from "../native/addon";
import { native } from "../native/addon";

/** Where a part may begin, so that every class of views fits it. */
export const ALIGN_BYTES = 8;

export class SharedMapping {
  readonly byteLength: number;
  readonly #native: NativeSharedBuffer;
  readonly #onClose: ((mapping: SharedMapping) => void) | undefined;
  #buffers: WeakRef<ArrayBuffer>[] = [];
  /** Buffers at which to look for collected ones again. */
  #crowd = 16;
  #closed = false;

  constructor(
    memory: NativeSharedBuffer,
    /** By which others can open it, if they can. */
    readonly name: string | undefined,
    /** The number that its host refers to it by; undefined in the host itself. */
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

  /** Tells it from other memory that has had its name. */
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

  /** These bytes, as a buffer of their own over the same memory. Throws `SharedMemoryError`. */
  buffer(offset: number, byteLength: number): ArrayBuffer {
    const buffer = this.native.buffer(offset, byteLength);
    if (this.#buffers.length >= this.#crowd) {
      this.#buffers = this.#buffers.filter((known) => known.deref() !== undefined);
      this.#crowd = Math.max(16, this.#buffers.length * 2);
    }
    this.#buffers.push(new WeakRef(buffer));
    return buffer;
  }

  /** Takes the memory away from all buffers over it, and lets go of it. */
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
