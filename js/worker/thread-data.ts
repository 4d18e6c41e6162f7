import type { MessagePort } from "node:worker_threads";
import type { Program } from "./program";

/** What a worker thread is started with. */
export interface ThreadData {
  /** Under which the host has lent the memory. */
  readonly token: number;
  /** By which SharedArrayBuffers come and go. */
  readonly port: MessagePort;
  readonly program: Program;
}
