/**
 * What the workers of a pool are to run. The host makes it once; a thread gets it as it is, a process as JSON in its boot
 * payload.
 */
import type { MessagePort } from "node:worker_threads";
import type { DebugContext } from "../base/debug-log";

/** Where a task is found. */
export interface TaskSource {
  /** Its key in the pool, for messages. */
  readonly task: string;
  /** URL of its module. */
  readonly href: string;
  /** Name of the export; or which of the tasks that the module defines it is, from 0, and how many there are at least. */
  readonly at: string | { readonly nth: number; readonly of: number };
  /** Whether it is to be told of aborts. */
  readonly abortable: boolean;
}

/** A function that runs before the tasks' modules are imported. */
export interface BootstrapSource {
  /** URL of its module. */
  readonly href: string;
  /** Name of the export. */
  readonly name: string;
  /** Its argument, encoded, as Base64. */
  readonly data: string;
}

/** What a worker runs, and how it waits for it. */
export interface Program {
  /** A submission names a task by its index here. */
  readonly tasks: readonly TaskSource[];
  readonly bootstrap: BootstrapSource | undefined;
  /** How long the worker may spin for its next call. */
  readonly spinNanos: number;
  /** Bytes that a result may take, encoded. */
  readonly maxPayloadBytes: number;
  /** What it is to say of itself. */
  readonly debug: DebugContext | undefined;
}

/** Why a worker could not boot, as it tells the host. */
export interface BootFault {
  readonly error: unknown;
  /** Whether another worker may do better. */
  readonly retryable: boolean;
}

/** What a worker thread is started with. */
export interface ThreadData {
  /** Under which the host has lent the memory. */
  readonly token: number;
  /** By which SharedArrayBuffers come and go. */
  readonly port: MessagePort;
  readonly program: Program;
}

/**
 * The environment variables that carry a process worker's boot payload (`src/process/boot.rs`). They are set for one worker
 * and taken out of its environment before any task runs: nobody else's business, and never inherited.
 */
export const BOOT_VARIABLES: readonly string[] = ["KNITTING_PROCESS_WORKER", "KNITTING_PROCESS_WORKER_BOOT"];
