/**
 * The files that a program needs to start. The native side finds them by reading the program and the libraries that it
 * names. That takes milliseconds, so the result is cached as long as the program and the dynamic linker's cache are
 * unchanged.
 */
import { statSync } from "node:fs";
import { native, type ProgramNeeds } from "../native/addon";

/** The dynamic linker finds libraries by this file, which changes whenever libraries are installed or removed. */
const LINKER_CACHE = "/etc/ld.so.cache";

/**
 * Begins to look up what a runtime needs and, if `launcher` is given, what the kernel can enforce. The look-ups run in
 * their own threads while the event loop goes on.
 */
export function lookAhead(executable: string, launcher: string | undefined): void {
  if (!remembered.has(keyOf(executable, true)) && !remembered.has(keyOf(executable, false))) {
    native().lookAhead(executable, launcher);
  }
}

interface Remembered {
  readonly files: string;
  readonly needs: ProgramNeeds;
}

const remembered = new Map<string, Remembered>();

/**
 * The files that a runtime needs. With `net`, the files that it takes to use the network are included. Throws if the
 * executable can't be read.
 */
export function runtimeNeeds(executable: string, net: boolean): ProgramNeeds {
  return remember(keyOf(executable, net), executable, () => native().runtimeNeeds(executable, net));
}

function keyOf(executable: string, net: boolean): string {
  return `${net ? "online" : "offline"} ${executable}`;
}

/** The files that any other program needs. Throws if the program can't be read. */
export function programNeeds(executable: string): ProgramNeeds {
  return remember(`program ${executable}`, executable, () => native().programNeeds(executable));
}

function remember(key: string, executable: string, find: () => ProgramNeeds): ProgramNeeds {
  const files = `${identity(executable)} ${identity(LINKER_CACHE)}`;
  const known = remembered.get(key);
  if (known?.files === files) {
    return known.needs;
  }
  const needs = find();
  remembered.set(key, { files, needs });
  return needs;
}

/** Distinguishes a file from one that has replaced it. */
function identity(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.dev}:${found.ino}:${found.mtimeNs}:${found.ctimeNs}`;
}
