/** Errors of the system, for the user: a `KnittingError` whose code says which limit was reached. */
import { KnittingError } from "../base/errors";

/** How the native side begins the message of such an error (`unavailable` in src/binding/error.rs). */
const CODED = /^(KNITTING_[A-Z_]+): (.*)$/s;

/** The error as the user gets it: any other error is returned as it is. */
export function systemError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof KnittingError) {
    return error;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_INIT_FAILED") {
    if (message.includes("EMFILE")) {
      return new KnittingError("KNITTING_NO_DESCRIPTORS", `${message}. ${FILES}`, { cause: error });
    }
    return new KnittingError(
      "KNITTING_NO_THREADS",
      `no worker thread can be started: ${message}. ${THREADS}`,
      {
        cause: error,
      },
    );
  }
  const coded = CODED.exec(message);
  return coded === null
    ? error
    : new KnittingError(coded[1], `no worker can be started: ${coded[2]}`, { cause: error });
}

/** The error of an addon that can't be loaded because too many files are open. Undefined if that is not the reason. */
export function tooManyFiles(error: unknown): KnittingError | undefined {
  const { message } = error as Error;
  return message.includes("Too many open files")
    ? new KnittingError("KNITTING_NO_DESCRIPTORS", `knitting-native can't be loaded: ${message}. ${FILES}`, {
        cause: error,
      })
    : undefined;
}

const THREADS =
  "The limits are those of the user (RLIMIT_NPROC, `ulimit -u`) and of a container or service (pids.max of its cgroup)";
const FILES = "The limit of this process is RLIMIT_NOFILE (`ulimit -n`)";
