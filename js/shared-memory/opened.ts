/** What the addon says of memory that can't be had, as an error of ours. */
import { SharedMemoryError } from "../base/errors";

const REASONS = ["exists", "missing", "size", "foreign", "refused"] as const;

/** Does what may fail; `what` begins the message then. */
export function opened<T>(what: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    const { code, message } = cause as { code?: unknown; message: string };
    const reason = REASONS.find((known) => known === code) ?? "refused";
    throw new SharedMemoryError(reason, `${what}: ${message}`, { cause });
  }
}
