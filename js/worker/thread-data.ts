import type { Program } from "./program";

/** What a worker thread is started with. */
export interface ThreadData {
  /** Under which the host has lent the memory. */
  readonly token: number;
  readonly program: Program;
}
