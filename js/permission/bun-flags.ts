/**
 * Bun's part of a policy. Bun has no flags for permissions. But it runs the scripts that a `bunfig.toml` in the working
 * directory names under `preload` before the worker has given up its rights, and a worker that may write there could
 * plant such a file for the next worker. This flag replaces that file.
 */
export const BUN_PERMISSIONS = ["--config=/dev/null"];
