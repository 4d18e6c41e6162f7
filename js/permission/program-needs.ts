/**
 * What programs must be granted to start, as the native side finds it by reading them and the libraries they name. That takes
 * milliseconds, so it is remembered, for as long as the program and the dynamic linker's cache are the files they were.
 */
import { statSync } from "node:fs";
import { native, type ProgramNeeds } from "../native/addon";

/** The dynamic linker finds libraries by it: a new one comes with libraries that are installed or removed. */
const LINKER_CACHE = "/etc/ld.so.cache";

interface Remembered {
  readonly files: string;
  readonly needs: ProgramNeeds;
}

const remembered = new Map<string, Remembered>();

/** What a runtime must be granted; with what it takes to use the network if `net`. Throws if it can't be read. */
export function runtimeNeeds(executable: string, net: boolean): ProgramNeeds {
  return remember(`${net ? "online" : "offline"} ${executable}`, executable, () =>
    native().runtimeNeeds(executable, net),
  );
}

/** What any other program must be granted. Throws if it can't be read. */
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

/** What tells a file from another one that comes to its place. */
function identity(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.dev}:${found.ino}:${found.mtimeNs}:${found.ctimeNs}`;
}
