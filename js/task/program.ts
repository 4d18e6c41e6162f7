/**
 * What the workers of a pool run. The host makes it once. A thread gets it as an object, a process as JSON in its boot
 * payload.
 */
import type { MessagePort } from "node:worker_threads";
import type { DebugContext } from "../base/debug-log";
import type { AbortForm } from "./definition";

/** Where a worker finds a task. */
export interface TaskSource {
  /** The task's key in the pool, for messages. */
  readonly task: string;
  /** URL of the task's module. */
  readonly href: string;
  /**
   * Name of the export; or the index, from 0, of the task among those that the module defines, and how many it
   * defines at least.
   */
  readonly at: string | { readonly nth: number; readonly of: number };
  /** Whether the task learns of aborts, and whether its call then keeps what it returns. */
  readonly abortable: AbortForm;
}

/** Where a worker finds a function of its own, which is no task. */
export interface FunctionSource {
  /** URL of the function's module. */
  readonly href: string;
  /** Name of the export. */
  readonly name: string;
}

/** A function that runs before the tasks' modules are imported. */
export interface BootstrapSource extends FunctionSource {
  /** The function's argument, as an encoded value in Base64. */
  readonly data: string;
}

/** What a worker runs, and how it waits for calls. */
export interface Program {
  /** A submission names a task by its index in this array. */
  readonly tasks: readonly TaskSource[];
  readonly bootstrap: BootstrapSource | undefined;
  /** A function that runs before the worker ends in order. */
  readonly teardown: FunctionSource | undefined;
  /** How long the worker may spin for its next call, in nanoseconds. */
  readonly spinNanos: number;
  /** Bytes that an encoded result may take. */
  readonly maxPayloadBytes: number;
  /** Whether the memory of the worker is limited, so that it has to use as little as it can. */
  readonly savesMemory: boolean;
  /** The home folder, for a worker that a policy may keep from looking it up. */
  readonly home: string | undefined;
  /** Which worker of the pool it is, and how often the worker of this index was started before. */
  readonly place: { readonly index: number; readonly start: number };
  /** What the worker logs about itself. */
  readonly debug: DebugContext | undefined;
}

/** Why a worker could not boot, as it reports it to the host. */
export interface BootFault {
  readonly error: unknown;
  /** Whether another worker may succeed. */
  readonly retryable: boolean;
}

/** What a worker thread reports about its heap. */
export interface HeapReports {
  /** How often it reports how much memory it uses. `undefined`: the host finds that out itself, or doesn't ask. */
  readonly everyMillis: number | undefined;
  /** Whether the size of its heap is limited. It then reports whether it may grow beyond that. */
  readonly isLimited: boolean;
}

/** What a worker thread is started with. */
export interface ThreadData {
  /** The token under which the host has registered the lane's memory for this thread. */
  readonly token: number;
  /** The port through which SharedArrayBuffers are sent and received. */
  readonly port: MessagePort;
  readonly heapReports: HeapReports | undefined;
  readonly program: Program;
}

/**
 * The environment variables that carry a process worker's boot payload (`src/process/boot.rs`). They are set for one
 * worker only and are removed from its environment before any task runs, so that tasks can't read them and programs
 * don't inherit them.
 */
export const BOOT_VARIABLES: readonly string[] = ["KNITTING_PROCESS_WORKER", "KNITTING_PROCESS_WORKER_BOOT"];
