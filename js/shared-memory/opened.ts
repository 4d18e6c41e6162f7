/** Turns the addon's errors about shared memory into errors of this package. */
import { SharedMemoryError } from "../base/errors";

const REASONS = ["exists", "missing", "size", "foreign", "refused"] as const;

/** Runs `open`, which may fail. The message of the error then begins with `what`. */
export function opened<T>(what: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    const { code, message } = cause as { code?: unknown; message: string };
    const reason = REASONS.find((known) => known === code) ?? "refused";
    throw new SharedMemoryError(reason, `${what}: ${message}`, { cause });
  }
}
