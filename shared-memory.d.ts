// Written by scripts/types.mjs. The sources are in js/.

// For `using`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />

/** The options of `ProcessSharedBuffer.create`. */
interface ProcessSharedBufferOptions {
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
interface SharedMapping {
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
interface ProcessSharedBufferDescriptor {
    /** The memory. Several buffers may be parts of it. */
    readonly mapping: SharedMapping;
    /** Offset of the buffer in the memory, in bytes. */
    readonly byteOffset: number;
    /** Size of the buffer in bytes. */
    readonly byteLength: number;
}
/** The functions that create and remove shared memory. */
interface ProcessSharedBufferPrimitives {
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
interface ViewClass<View> {
    new (buffer: ArrayBuffer): View;
    readonly BYTES_PER_ELEMENT?: number;
}
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
declare class ProcessSharedBuffer {
    #private;
    /** Size in bytes. */
    readonly byteLength: number;
    /** Where the bytes are. `descriptor.mapping.close()` unmaps them. */
    readonly descriptor: ProcessSharedBufferDescriptor;
    /**
     * Creates shared memory of the given size in bytes, all zeros, or opens memory by its name.
     *
     * @throws SharedMemoryError if the name exists already or doesn't exist, if the opened memory is too small, or if
     * the system has no memory
     * @throws InvalidOptionError
     */
    static create(options: number | ProcessSharedBufferOptions, primitives?: ProcessSharedBufferPrimitives): ProcessSharedBuffer;
    /**
     * The bytes as an `ArrayBuffer`, which is the same object each time.
     *
     * @throws SharedMemoryError if the buffer is closed
     */
    getBuffer(): ArrayBuffer;
    /**
     * A view of the whole buffer: `buffer.view(Int32Array)`.
     *
     * @throws SharedMemoryError if the buffer is closed, or if its size is not a multiple of the element size
     */
    view<View>(View: ViewClass<View>): View;
    /** The same as `view(Uint8Array)`. */
    bytes(): Uint8Array;
    /**
     * A part of the buffer over the same memory: `length` bytes from `offset`, which must be a multiple of 8. The part
     * can be sent by itself; the receiver maps all of the memory.
     */
    subbuffer(offset: number, length?: number): ProcessSharedBuffer;
    /**
     * Closes the buffer. A buffer that `create` returned is unmapped, and all views over it and its parts are detached.
     * A part, or a buffer that was received, only releases its own views.
     */
    [Symbol.dispose](): void;
}
/** The functions that create and remove shared memory on this system. */
declare function getDefaultProcessSharedBufferPrimitives(): ProcessSharedBufferPrimitives;

export { ProcessSharedBuffer, getDefaultProcessSharedBufferPrimitives };
export type { ProcessSharedBufferDescriptor, ProcessSharedBufferOptions, ProcessSharedBufferPrimitives, SharedMapping, ViewClass };
