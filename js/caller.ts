/** Which module called us. Read from the file names of the stack, never from lines or source maps. */
import { pathToFileURL } from "node:url";

const ours = new Set([`${__dirname}/`, `${pathToFileURL(__dirname).href}/`]);

/** URL of the file nearest on the stack that is not part of this package; `undefined` for code without a file. */
export function callerFile(): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  let frames: NodeJS.CallSite[] = [];
  try {
    // Far enough for a call through a few helpers of ours, and for none of the caller's.
    Error.stackTraceLimit = 20;
    // Test runners put source-mapped positions in here; the raw frames are wanted.
    Error.prepareStackTrace = (_error, callSites) => {
      frames = callSites;
    };
    void new Error().stack;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
  for (const frame of frames) {
    const file = frame.getFileName() ?? frame.getScriptNameOrSourceURL();
    if (typeof file !== "string" || file.startsWith("node:") || isOurs(file)) {
      continue;
    }
    if (file.startsWith("/")) {
      return pathToFileURL(file).href;
    }
    return /^(file|data):/.test(file) ? file : undefined;
  }
  return undefined;
}

function isOurs(file: string): boolean {
  for (const folder of ours) {
    if (file.startsWith(folder)) {
      return true;
    }
  }
  return false;
}
