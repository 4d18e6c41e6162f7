/** `ProcessSharedBuffer`: memory that several processes map, found by its name or received in a call. */
import { constants } from "node:buffer";
import { InvalidOptionError, SharedMemoryError } from "../base/errors";
import { choice, describe, record, refuse, refuseUnknown } from "../base/validate";
import { native } from "../native/addon";
import { ALIGN_BYTES, SharedMapping as Mapping } from "./mapping";
import { opened } from "./opened";
import { forgetMemory } from "./registry";

/** The options of `ProcessSharedBuffer.create`. */
export interface ProcessSharedBufferOptions {
  /** Size in bytes, at least 1. With `mode: "open"` it may be left out: then all of the memory is mapped. */
  size?: number | undefined;
  /**
   * A name by which every process of the same user on this system can open the memory, such as `"/frames"`. The name
   * stays until it is unlinked. Without a name, only workers that receive the buffer can access it.
   */
  name?: string | undefined;
  /** Whether the name must be new (`"create"`) or must exist (`"open"`). Default `"create"`. */
  mode?: "create" | "open" | undefined;
}

/** Memory that is mapped in this process. */
export interface SharedMapping {
  /** Size in bytes. */
  readonly byteLength: number;
  /** Name of the memory; `undefined` if it has none. */
  readonly name: string | undefined;
  /** Whether the memory has been unmapped. */
  readonly closed: boolean;
  /** Unmaps the memory. All buffers and views over it are detached. Its name stays. */
  close(): void;
}

/** Where the bytes of a `ProcessSharedBuffer` are. */
export interface ProcessSharedBufferDescriptor {
  /** The memory. Several buffers may be parts of it. */
  readonly mapping: SharedMapping;
  /** Offset of the buffer in the memory, in bytes. */
  readonly byteOffset: number;
  /** Size of the buffer in bytes. */
  readonly byteLength: number;
}

/** The functions that create and remove shared memory. */
export interface ProcessSharedBufferPrimitives {
  /**
   * Creates or opens memory and maps it.
   *
   * @throws SharedMemoryError
   * @throws InvalidOptionError
   */
  mapSharedMemory(options: ProcessSharedBufferOptions): SharedMapping;
  /** Removes a name. Returns true if the name existed. The memory stays for the processes that have mapped it. */
  unlinkSharedMemory(name: string): boolean;
}

/** A class of views: `Uint8Array`, `Int32Array`, `DataView` and the like. */
export interface ViewClass<View> {
  new (buffer: ArrayBuffer): View;
  readonly BYTES_PER_ELEMENT?: number;
}

/** Largest possible size of a buffer. */
const MAX_BYTES = Math.min(32 * 1024 ** 3, constants.MAX_LENGTH);
const MAX_NAME_BYTES = 255;
/** The member by which another copy of this package reads where a buffer lies. */
const MEMORY = Symbol.for("knitting-native.shared-memory");
/** Suffix of the names of pools' own memory. */
const POOL_SUFFIX = ".knitting";

/**
 * Memory that several processes map: what one process writes, all others see, and nothing is copied. If it is sent to a
 * worker, alone or inside another value, a buffer over the same memory arrives.
 *
 * In JavaScript the memory is an `ArrayBuffer`. `Atomics` work on views over it, except for `Atomics.wait`, which needs
 * a `SharedArrayBuffer`.
 *
 * @example
 * import { ProcessSharedBuffer } from "knitting-native/shared-memory";
 *
 * using frames = ProcessSharedBuffer.create(1024 * 1024);
 * const counters = frames.subbuffer(0, 64).view(Int32Array);
 * await pool.call.render(frames);
 * console.log(Atomics.load(counters, 0));
 */
export class ProcessSharedBuffer {
  /** Size in bytes. */
  readonly byteLength: number;
  /** Where the bytes are. `descriptor.mapping.close()` unmaps them. */
  readonly descriptor: ProcessSharedBufferDescriptor;
  readonly #mapping: Mapping;
  readonly #owns: boolean;
  #buffer: ArrayBuffer | undefined;
  #closed = false;

  /** @internal `owns`: closing the buffer also closes the memory. */
  constructor(mapping: Mapping, byteOffset: number, byteLength: number, owns: boolean) {
    if (!(mapping instanceof Mapping)) {
      throw new TypeError("a ProcessSharedBuffer is made by ProcessSharedBuffer.create");
    }
    this.byteLength = byteLength;
    this.descriptor = Object.freeze({ mapping, byteOffset, byteLength });
    this.#mapping = mapping;
    this.#owns = owns;
  }

  /**
   * Creates shared memory of the given size in bytes, all zeros, or opens memory by its name.
   *
   * @throws SharedMemoryError if the name exists already or doesn't exist, if the opened memory is too small, or if
   * the system has no memory
   * @throws InvalidOptionError
   */
  static create(
    options: number | ProcessSharedBufferOptions,
    primitives: ProcessSharedBufferPrimitives = getDefaultProcessSharedBufferPrimitives(),
  ): ProcessSharedBuffer {
    const mapping = primitives.mapSharedMemory(typeof options === "number" ? { size: options } : options);
    if (!(mapping instanceof Mapping)) {
      throw new InvalidOptionError(
        `${CREATE}: "primitives" has mapped ${describe(mapping)}, it must be what ` +
          "getDefaultProcessSharedBufferPrimitives() returns",
      );
    }
    return bufferOver(mapping, 0, mapping.byteLength, true);
  }

  /**
   * The bytes as an `ArrayBuffer`, which is the same object each time.
   *
   * @throws SharedMemoryError if the buffer is closed
   */
  getBuffer(): ArrayBuffer {
    this.#check();
    this.#buffer ??= this.#mapping.buffer(this.descriptor.byteOffset, this.byteLength);
    return this.#buffer;
  }

  /**
   * A view of the whole buffer: `buffer.view(Int32Array)`.
   *
   * @throws SharedMemoryError if the buffer is closed, or if its size is not a multiple of the element size
   */
  view<View>(View: ViewClass<View>): View {
    const elementBytes = View.BYTES_PER_ELEMENT ?? 1;
    if (this.byteLength % elementBytes !== 0) {
      throw new SharedMemoryError(
        "size",
        `${this.byteLength} bytes are no whole elements of ${View.name}, which have ${elementBytes}`,
      );
    }
    return new View(this.getBuffer());
  }

  /** The same as `view(Uint8Array)`. */
  bytes(): Uint8Array {
    return this.view(Uint8Array);
  }

  /**
   * A part of the buffer over the same memory: `length` bytes from `offset`, which must be a multiple of 8. The part
   * can be sent by itself; the receiver maps all of the memory.
   */
  subbuffer(offset: number, length = this.byteLength - offset): ProcessSharedBuffer {
    this.#check();
    if (!Number.isInteger(offset) || offset < 0 || offset >= this.byteLength || offset % ALIGN_BYTES !== 0) {
      const allowed = `a multiple of ${ALIGN_BYTES} below ${this.byteLength}`;
      refuse("ProcessSharedBuffer.subbuffer", "offset", offset, allowed);
    }
    if (!Number.isInteger(length) || length < 1 || offset + length > this.byteLength) {
      const allowed = `a whole number from 1 to ${this.byteLength - offset}`;
      refuse("ProcessSharedBuffer.subbuffer", "length", length, allowed);
    }
    return bufferOver(this.#mapping, this.descriptor.byteOffset + offset, length, false);
  }

  /**
   * Closes the buffer. A buffer that `create` returned is unmapped, and all views over it and its parts are detached.
   * A part, or a buffer that was received, only releases its own views.
   */
  [Symbol.dispose](): void {
    this.#closed = true;
    if (this.#owns) {
      this.#mapping.close();
    } else if (this.#buffer !== undefined) {
      native().detach(this.#buffer);
      this.#buffer = undefined;
    }
  }

  /** @internal */
  get [MEMORY](): ForeignMemory {
    const { name, inode } = this.sendable();
    const { byteOffset, byteLength } = this.descriptor;
    return { name, inode, byteOffset, byteLength };
  }

  /** @internal The memory, if it can be sent. Throws `SharedMemoryError`. */
  sendable(): Mapping {
    this.#check();
    return this.#mapping;
  }

  #check(): void {
    if (this.#closed) {
      throw new SharedMemoryError("closed", "the ProcessSharedBuffer is closed");
    }
    void this.#mapping.native;
  }
}

/** This function stands outside of the class, because a bundler renames a class that refers to itself by name. */
function bufferOver(...parameters: ConstructorParameters<typeof ProcessSharedBuffer>): ProcessSharedBuffer {
  return new ProcessSharedBuffer(...parameters);
}

/** @internal A part of shared memory, as another copy of this package describes it. */
export interface ForeignMemory {
  readonly name: string | undefined;
  readonly inode: number;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/**
 * @internal What a `ProcessSharedBuffer` of another copy says about its memory; `undefined` if the value is not such a
 * buffer. Throws the other copy's `SharedMemoryError` if the buffer is closed.
 */
export function foreignMemory(value: object): ForeignMemory | undefined {
  return (value as { [MEMORY]?: ForeignMemory })[MEMORY];
}

const foreignMappings = new WeakMap<object, Mapping>();

/**
 * @internal The memory of a `ProcessSharedBuffer` of another copy, opened by its name. Throws `SharedMemoryError`. Each
 * copy has its own addon, and neither can use what the other has mapped.
 */
export function openForeign(
  value: object,
  { name, inode, byteOffset, byteLength }: ForeignMemory,
): ProcessSharedBuffer {
  let mapping = foreignMappings.get(value);
  if (mapping === undefined) {
    if (name === undefined) {
      throw new SharedMemoryError(
        "foreign",
        "it was made by another copy of knitting-native and has no name by which this copy could open " +
          "it. Give it a name, or have one copy installed",
      );
    }
    const failed = `the shared memory ${JSON.stringify(name)} of another copy of knitting-native can't be opened`;
    mapping = new Mapping(
      opened(failed, () => native().SharedBuffer.open(name, undefined, inode)),
      name,
      undefined,
      forgetMemory,
    );
    foreignMappings.set(value, mapping);
  }
  return new ProcessSharedBuffer(mapping, byteOffset, byteLength, false);
}

const CREATE = "ProcessSharedBuffer.create";

const primitives: ProcessSharedBufferPrimitives = Object.freeze({
  mapSharedMemory(given: ProcessSharedBufferOptions): SharedMapping {
    const allowed = "a size in bytes, or an object such as { size, name, mode }";
    const options: ProcessSharedBufferOptions = record(CREATE, "options", given, allowed);
    refuseUnknown(CREATE, options as Record<string, unknown>, ["size", "name", "mode"]);
    const { size } = options;
    const mode =
      options.mode === undefined ? "create" : choice(CREATE, "mode", options.mode, ["create", "open"]);
    const name = options.name === undefined ? undefined : fileName(CREATE, options.name);
    if (mode === "open" && name === undefined) {
      throw new InvalidOptionError(`${CREATE}: there is no "name", and "mode" is "open"`);
    }
    if (size === undefined ? mode === "create" : !isSize(size)) {
      refuse(CREATE, "size", size, `a whole number of bytes from 1 to ${MAX_BYTES}`);
    }
    const what = name === undefined ? "shared memory" : `the shared memory ${JSON.stringify(name)}`;
    const failed = `${what} of ${size ?? "any number of"} bytes can't be ${mode === "open" ? "opened" : "created"}`;
    const memory = opened(failed, () =>
      mode === "open"
        ? native().SharedBuffer.open(name as string, size, undefined)
        : native().SharedBuffer.create(size as number, name),
    );
    return new Mapping(memory, name, undefined, forgetMemory);
  },

  unlinkSharedMemory(name: string): boolean {
    const file = fileName("unlinkSharedMemory", name);
    return opened(`the name ${JSON.stringify(file)} can't be unlinked`, () =>
      native().unlinkSharedMemory(file),
    );
  },
});

/** The functions that create and remove shared memory on this system. */
export function getDefaultProcessSharedBufferPrimitives(): ProcessSharedBufferPrimitives {
  return primitives;
}

function isSize(size: number): boolean {
  return Number.isInteger(size) && size >= 1 && size <= MAX_BYTES;
}

/** A name in the form of shm_open(3), without its slash. Throws `InvalidOptionError`. */
function fileName(caller: string, name: unknown): string {
  const file = typeof name === "string" ? name.replace(/^\//, "") : "";
  const allowed = `a name of 1 to ${MAX_NAME_BYTES} bytes with no slash but at its beginning, such as "/frames"`;
  if (file === "" || file === "." || file === ".." || /[/\0]/.test(file)) {
    refuse(caller, "name", name, allowed);
  }
  if (Buffer.byteLength(file) > MAX_NAME_BYTES || !isWellFormed(file)) {
    refuse(caller, "name", name, allowed);
  }
  if (file.endsWith(POOL_SUFFIX)) {
    refuse(
      caller,
      "name",
      name,
      `a name that doesn't end with "${POOL_SUFFIX}": those are the memory of pools`,
    );
  }
  return file;
}

/** Whether UTF-8 can represent the text. A lone surrogate would turn it into another name. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}
