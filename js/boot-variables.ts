/**
 * The environment variables that carry a process worker's boot payload (`src/process/boot.rs`). They are set for one worker
 * and taken out of its environment before any task runs: nobody else's business, and never inherited.
 */
export const BOOT_VARIABLES: readonly string[] = ["KNITTING_PROCESS_WORKER", "KNITTING_PROCESS_WORKER_BOOT"];
