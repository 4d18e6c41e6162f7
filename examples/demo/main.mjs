/**
 * The demo. It begins with two process workers and a function, and goes on with real work: every file under
 * `node_modules` is hashed and compressed, once in this thread and once in a pool of processes, and the results are
 * compared.
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { createPool, importTask } from "knitting-native";
import { Progress } from "./progress.mjs";
import * as mainThread from "./tasks.mjs";

const FOLDER = fileURLToPath(new URL("../../node_modules", import.meta.url));
const WORKERS = availableParallelism();
/**
 * A larger file is compressed in parts, as pigz does it, because one huge file would keep one worker busy while the
 * rest wait.
 */
const PART_BYTES = 1024 * 1024;
/**
 * Enough calls that a worker with short calls has some left while another has a long one: calls go to the workers in
 * turn.
 */
const CALLS_IN_FLIGHT_PER_WORKER = 32;
const PROCESSES = { runtime: "process", processRuntime: "node" };

await addTwoNumbers();
await hashAndCompress();

async function addTwoNumbers() {
  const pool = createPool({ threads: 2, worker: PROCESSES })({ add: fromTasks("add") });
  try {
    console.log(`Two process workers: 19 + 23 = ${await pool.call.add([19, 23])}\n`);
  } finally {
    await pool.shutdown();
  }
}

async function hashAndCompress() {
  const { files, unreadable } = readOnce(FOLDER);
  const byteLength = files.reduce((sum, file) => sum + file.byteLength, 0);
  console.log(`SHA-256 and gzip of ${files.length} files under node_modules, ${megabytes(byteLength)} MB`);
  for (const { path, reason } of unreadable) {
    console.log(`left out: ${path}: ${reason}`);
  }

  const alone = await measure("main thread", files, byteLength, mainThread, 1);
  const pool = createPool({ threads: WORKERS, worker: PROCESSES })({
    sha256: fromTasks("sha256"),
    gzip: fromTasks("gzip"),
    sha256AndGzip: fromTasks("sha256AndGzip"),
  });
  let pooled;
  try {
    // A call for each worker, so that the measurement after it covers work and not the boot.
    await Promise.all(Array.from({ length: WORKERS }, () => pool.call.sha256(Buffer.alloc(0))));
    const label = `${WORKERS} process workers`;
    pooled = await measure(label, files, byteLength, pool.call, WORKERS * CALLS_IN_FLIGHT_PER_WORKER);
  } finally {
    await pool.shutdown();
  }

  console.log(`speed-up          ${(alone.seconds / pooled.seconds).toFixed(2)} times on ${WORKERS} cores`);
  const different = [...alone.digests.keys()].filter(
    (name) => !isDeepStrictEqual(alone.digests.get(name), pooled.digests.get(name)),
  );
  if (different.length === 0) {
    console.log(`Both passes gave the same digests in all of the ${alone.digests.size} calls.`);
  } else {
    console.error(`The passes differ in ${different.length} results:\n${different.join("\n")}`);
    process.exitCode = 1;
  }
}

function fromTasks(name) {
  return importTask({ href: "./tasks.mjs", name });
}

/** Finds the files and reads each, so that the page cache is as warm for the first pass as for the second. */
function readOnce(folder) {
  const files = [];
  const unreadable = [];
  const visit = (path, read) => {
    try {
      read(path);
    } catch (error) {
      unreadable.push({ path, reason: error.message });
    }
  };
  const readFile = (path) => files.push({ path, byteLength: readFileSync(path).byteLength });
  const readFolder = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (path === folder && entry.name.startsWith(".")) {
        // Such a folder is not a package but a tool's cache, such as vitest's `.vite`. A test run would change it
        // between the passes.
        continue;
      }
      // A symbolic link is neither. Its target is either visited anyway or does not belong here.
      if (entry.isDirectory()) {
        visit(join(path, entry.name), readFolder);
      } else if (entry.isFile()) {
        visit(join(path, entry.name), readFile);
      }
    }
  };
  readFolder(folder);
  return { files, unreadable };
}

/**
 * One pass over the files. `tasks` are the functions themselves or their calls in a pool; the rest is the same for
 * both.
 */
async function measure(label, files, byteLength, tasks, callsInFlight) {
  const digests = new Map();
  const progress = new Progress(label, byteLength);
  const queue = pieces(files);
  // All callers take from one queue, so a caller that fails ends the queue for the others too.
  const caller = async () => {
    for (const { name, task, bytes, progressBytes } of queue) {
      try {
        digests.set(name, await tasks[task](bytes));
      } catch (cause) {
        throw new Error(`${task} of ${name} failed`, { cause });
      }
      progress.add(progressBytes);
    }
  };
  const start = performance.now();
  try {
    await Promise.all(Array.from({ length: callsInFlight }, caller));
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - start) / 1000;
  const perSecond = `${megabytes(byteLength / seconds)} MB/s, ${Math.round(digests.size / seconds)} calls/s`;
  console.log(`${label.padEnd(17)} ${seconds.toFixed(2)} s, ${perSecond}`);
  return { seconds, digests };
}

/**
 * The calls that a pass makes. Each file is read when its turn comes, so only the files of calls in flight are in
 * memory.
 */
function* pieces(files) {
  for (const { path } of files) {
    const name = relative(FOLDER, path);
    const bytes = readFileSync(path);
    if (bytes.byteLength <= PART_BYTES) {
      yield { name, task: "sha256AndGzip", bytes, progressBytes: bytes.byteLength };
      continue;
    }
    yield { name, task: "sha256", bytes, progressBytes: 0 };
    for (let from = 0; from < bytes.byteLength; from += PART_BYTES) {
      const part = bytes.subarray(from, from + PART_BYTES);
      yield { name: `${name}, from byte ${from}`, task: "gzip", bytes: part, progressBytes: part.byteLength };
    }
  }
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}
