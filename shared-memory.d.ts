// Written by scripts/types.mjs. The sources are in js/.

// For `using`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />

/** What `ProcessSharedBuffer.create` takes. */
interface ProcessSharedBufferOptions {
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
interface SharedMapping {
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
interface ProcessSharedBufferDescriptor {
    /** The memory, which several buffers may be parts of. */
    readonly mapping: SharedMapping;
    /** Where in it the buffer begins. */
    readonly byteOffset: number;
    /** How many bytes of it the buffer has. */
    readonly byteLength: number;
}
/** How shared memory is had and given up. */
interface ProcessSharedBufferPrimitives {
    /** Creates or opens memory and maps it. Throws `SharedMemoryError`, `InvalidOptionError`. */
    mapSharedMemory(options: ProcessSharedBufferOptions): SharedMapping;
    /** Takes a name away: true if there was one. The memory stays for those who have it. */
    unlinkSharedMemory(name: string): boolean;
}
/** A class of views: `Uint8Array`, `Int32Array`, `DataView` and the like. */
interface ViewClass<View> {
    new (buffer: ArrayBuffer): View;
    readonly BYTES_PER_ELEMENT?: number;
}
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
declare class ProcessSharedBuffer {
    #private;
    /** Bytes of it. */
    readonly byteLength: number;
    /** Where they are. `descriptor.mapping.close()` unmaps them. */
    readonly descriptor: ProcessSharedBufferDescriptor;
    /**
     * Creates shared memory of so many bytes, all zero, or opens what has a name.
     *
     * @throws SharedMemoryError if the name exists, or doesn't, or what has it is too short, or the system has no memory.
     * InvalidOptionError.
     */
    static create(options: number | ProcessSharedBufferOptions, primitives?: ProcessSharedBufferPrimitives): ProcessSharedBuffer;
    /** Its bytes as an `ArrayBuffer`, always the same one. Throws `SharedMemoryError` if it is closed. */
    getBuffer(): ArrayBuffer;
    /** A view of all of it: `buffer.view(Int32Array)`. Throws `SharedMemoryError` if it is closed, or is no whole elements. */
    view<View>(View: ViewClass<View>): View;
    /** The same as `view(Uint8Array)`. */
    bytes(): Uint8Array;
    /**
     * A part of it, over the same memory: `length` bytes from `offset`, which is a multiple of 8. It can be sent by itself; who gets
     * it has all of the memory mapped.
     */
    subbuffer(offset: number, length?: number): ProcessSharedBuffer;
    /**
     * Closes it. What `create` has returned is unmapped, and all views over it and its parts are detached. A part, or one that was
     * received, gives up its own views.
     */
    [Symbol.dispose](): void;
}
/** How this system's shared memory is had and given up. */
declare function getDefaultProcessSharedBufferPrimitives(): ProcessSharedBufferPrimitives;

export { ProcessSharedBuffer, getDefaultProcessSharedBufferPrimitives };
export type { ProcessSharedBufferDescriptor, ProcessSharedBufferOptions, ProcessSharedBufferPrimitives, SharedMapping, ViewClass };
