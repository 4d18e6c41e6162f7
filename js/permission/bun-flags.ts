/**
 * Bun's part of a policy. It has no flags for permissions; but it runs what a `bunfig.toml` in the working directory names under
 * `preload` before the worker has given up what it may not do, and a worker that may write there could leave that to the next.
 */
export const BUN_PERMISSIONS = ["--config=/dev/null"];
