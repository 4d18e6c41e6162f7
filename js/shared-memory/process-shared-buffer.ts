/** `ProcessSharedBuffer`: memory that several processes map, by a name or by being sent. */
import { constants } from "node:buffer";
import { InvalidOptionError, SharedMemoryError } from "../base/errors";
import { choice, describe, isRecord, refuse, refuseUnknown } from "../base/validate";
import { native } from "../native/addon";
import { ALIGN_BYTES, SharedMapping as Mapping } from "./mapping";
import { opened } from "./opened";
import { forgetMemory } from "./registry";

/** What `ProcessSharedBuffer.create` takes. */
export interface ProcessSharedBufferOptions {
  /** Bytes, at least 1. To open it may be left out: then all that is there is mapped. */
  size?: number | undefined;
  /**
   * A name by which any process of this system's user can open the memory, such as `"/frames"`. It stays until somebody
   * unlinks it. Without a name only workers that are sent the buffer can have it.
   */
  name?: string | undefined;
  /** Whether the name is to be new, or to be there already. Default `"create"`. */
  mode?: "create" | "open" | undefined;
}

/** Memory that is mapped in this process. */
export interface SharedMapping {
  /** Its size. */
  readonly byteLength: number;
  /** Its name, if it has one. */
  readonly name: string | undefined;
  /** Whether it is mapped no more. */
  readonly closed: boolean;
  /** Unmaps it. All buffers and views over it are detached. Its name stays. */
  close(): void;
}

/** Where the bytes of a `ProcessSharedBuffer` are. */
export interface ProcessSharedBufferDescriptor {
  /** The memory, which several buffers may be parts of. */
  readonly mapping: SharedMapping;
  /** Where in it the buffer begins. */
  readonly byteOffset: number;
  /** How many bytes of it the buffer has. */
  readonly byteLength: number;
}

/** How shared memory is had and given up. */
export interface ProcessSharedBufferPrimitives {
  /** Creates or opens memory and maps it. Throws `SharedMemoryError`, `InvalidOptionError`. */
  mapSharedMemory(options: ProcessSharedBufferOptions): SharedMapping;
  /** Takes a name away: true if there was one. The memory stays for those who have it. */
  unlinkSharedMemory(name: string): boolean;
}

/** A class of views: `Uint8Array`, `Int32Array`, `DataView` and the like. */
export interface ViewClass<View> {
  new (buffer: ArrayBuffer): View;
  readonly BYTES_PER_ELEMENT?: number;
}

/** Largest that one can be. */
const MAX_BYTES = Math.min(32 * 1024 ** 3, constants.MAX_LENGTH);
const MAX_NAME_BYTES = 255;
/** The member by which another copy of this package reads where a buffer lies. */
const MEMORY = Symbol.for("knitting-native.shared-memory");
/** What the names of pools' own memory end with. */
const POOL_SUFFIX = ".knitting";

/**
 * Memory that several processes map: what one writes, all others see, and nothing is copied. Sent to a worker, also within another
 * value, it arrives as one over the same memory.
 *
 * It is an `ArrayBuffer` to JavaScript: `Atomics` work on views over it, but for `Atomics.wait`, which wants a
 * `SharedArrayBuffer`.
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
  /** Bytes of it. */
  readonly byteLength: number;
  /** Where they are. `descriptor.mapping.close()` unmaps them. */
  readonly descriptor: ProcessSharedBufferDescriptor;
  readonly #mapping: Mapping;
  readonly #owns: boolean;
  #buffer: ArrayBuffer | undefined;
  #closed = false;

  /** @internal `owns`: the memory is closed with it. */
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
   * Creates shared memory of so many bytes, all zero, or opens what has a name.
   *
   * @throws SharedMemoryError if the name exists, or doesn't, or what has it is too short, or the system has no memory.
   * InvalidOptionError.
   */
  static create(
    options: number | ProcessSharedBufferOptions,
    primitives: ProcessSharedBufferPrimitives = getDefaultProcessSharedBufferPrimitives(),
  ): ProcessSharedBuffer {
    const mapping = primitives.mapSharedMemory(typeof options === "number" ? { size: options } : options);
    if (!(mapping instanceof Mapping)) {
      throw new InvalidOptionError(
        `${CREATE}: "primitives" has mapped ${describe(mapping)}, it must be what getDefaultProcessSharedBufferPrimitives() returns`,
      );
    }
    return bufferOver(mapping, 0, mapping.byteLength, true);
  }

  /** Its bytes as an `ArrayBuffer`, always the same one. Throws `SharedMemoryError` if it is closed. */
  getBuffer(): ArrayBuffer {
    this.#check();
    this.#buffer ??= this.#mapping.buffer(this.descriptor.byteOffset, this.byteLength);
    return this.#buffer;
  }

  /** A view of all of it: `buffer.view(Int32Array)`. Throws `SharedMemoryError` if it is closed, or is no whole elements. */
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
   * A part of it, over the same memory: `length` bytes from `offset`, which is a multiple of 8. It can be sent by itself; who gets
   * it has all of the memory mapped.
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
   * Closes it. What `create` has returned is unmapped, and all views over it and its parts are detached. A part, or one that was
   * received, gives up its own views.
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

/** Made outside of the class: a class that names itself gets another name from the bundler. */
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
 * @internal What a `ProcessSharedBuffer` of another copy says about its memory; `undefined` if the value is none. Throws the
 * other copy's `SharedMemoryError` if that is closed.
 */
export function foreignMemory(value: object): ForeignMemory | undefined {
  return (value as { [MEMORY]?: ForeignMemory })[MEMORY];
}

const foreignMappings = new WeakMap<object, Mapping>();

/**
 * @internal The memory of a `ProcessSharedBuffer` of another copy, opened by its name. Throws `SharedMemoryError`: the two copies
 * have an addon each, and neither can use what the other has mapped.
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
        "it was made by another copy of knitting-native and has no name by which this copy could open it. Give it a name, or have one copy installed",
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
  mapSharedMemory(options: ProcessSharedBufferOptions): SharedMapping {
    if (!isRecord(options)) {
      refuse(CREATE, "options", options, "a size in bytes, or an object such as { size, name, mode }");
    }
    refuseUnknown(CREATE, options as Record<string, unknown>, ["size", "name", "mode"]);
    const { size } = options as ProcessSharedBufferOptions;
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

/** How this system's shared memory is had and given up. */
export function getDefaultProcessSharedBufferPrimitives(): ProcessSharedBufferPrimitives {
  return primitives;
}

function isSize(size: number): boolean {
  return Number.isInteger(size) && size >= 1 && size <= MAX_BYTES;
}

/** A name as shm_open(3) takes it, without its slash. Throws `InvalidOptionError`. */
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

/** Whether UTF-8 can tell it: half a surrogate pair would become another name. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}
