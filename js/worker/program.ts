/**
 * What the workers of a pool are to run. The host makes it once; a thread gets it as it is, a process as JSON in its boot
 * payload.
 */
import type { Speaker } from "../debug";

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

/** */
export interface Program {
  /** A submission names a task by its index here. */
  readonly tasks: readonly TaskSource[];
  readonly bootstrap: BootstrapSource | undefined;
  /** How long the worker may spin for its next call. */
  readonly spinNanos: number;
  /** Bytes that a result may take, encoded. */
  readonly maxPayloadBytes: number;
  /** What it is to say of itself. */
  readonly debug: Speaker | undefined;
}

/** Why a worker could not boot, as it tells the host. */
export interface BootFault {
  readonly error: unknown;
  /** Another worker would fail in the same way. */
  readonly inVain: boolean;
}
