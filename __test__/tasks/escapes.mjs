// Ways out of a policy, in JavaScript: each does what it is called, or throws. Copied into a project of its own: see ../project.ts.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import * as fs from "node:fs";
import * as promises from "node:fs/promises";
import { connect } from "node:net";
import { getPriority, setPriority } from "node:os";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";

const text = (path) => fs.readFileSync(path, "utf8");

function openAndClose(path, flags) {
  const descriptor = fs.openSync(path, flags);
  fs.closeSync(descriptor);
}

async function openAndCloseLater(path, flags) {
  const handle = await promises.open(path, flags);
  await handle.close();
}

/** The path of what is in a folder, by a handle of the folder. */
function byHandle(folder, name) {
  const handle = fs.openSync(folder, "r");
  try {
    return text(`/proc/self/fd/${handle}/${name}`);
  } finally {
    fs.closeSync(handle);
  }
}

function reach(options) {
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}

function start(program, parameters) {
  const { status, error } = spawnSync(program, parameters, { stdio: "ignore" });
  if (error) {
    throw error;
  }
  if (status !== 0) {
    throw new Error(`Command failed: ${status}`);
  }
}

function inThread(code, workerData) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(code, { eval: true, workerData });
    worker.once("message", ({ error }) => (error === undefined ? resolve() : reject(new Error(error))));
    worker.once("error", reject);
  });
}

const startLater = promisify(execFile);

const READER = `
  const { parentPort, workerData } = require("node:worker_threads");
  try {
    require("node:fs").readFileSync(workerData);
    parentPort.postMessage({});
  } catch (error) {
    parentPort.postMessage({ error: error.message });
  }`;

/** By what they try. `at` says where things are: see ../escape.test.ts. */
const ATTEMPTS = {
  // Reading.
  "read /etc/passwd": () => text("/etc/passwd"),
  "read /etc/passwd with a callback": () => promisify(fs.readFile)("/etc/passwd"),
  "read /etc/passwd with a promise": () => promises.readFile("/etc/passwd"),
  "read /etc/passwd as a stream": async () => {
    for await (const _ of fs.createReadStream("/etc/passwd"));
  },
  "read /etc/passwd in a thread of its own": () => inThread(READER, "/etc/passwd"),
  "copy /etc/passwd": (at) => fs.copyFileSync("/etc/passwd", `${at.project}/out/passwd`),
  "list the home folder's .ssh": (at) => fs.readdirSync(`${at.home}/.ssh`),
  "read a key in the home folder": (at) => text(`${at.home}/.ssh/id_ed25519`),
  "read the host's environment": (at) => text(`/proc/${at.host}/environ`),
  "open the host's memory": (at) => openAndClose(`/proc/${at.host}/mem`, "r"),
  "read the host's command line": (at) => text(`/proc/${at.host}/cmdline`),
  "read its own environment": () => text("/proc/self/environ"),
  "open its own memory": () => openAndClose("/proc/self/mem", "r+"),
  "read .env": (at) => text(`${at.project}/.env`),
  "read .env with a promise": (at) => promises.readFile(`${at.project}/.env`),
  "read .git": (at) => text(`${at.project}/.git/config`),
  "list .git": (at) => fs.readdirSync(`${at.project}/.git`),
  "read .env by ..": (at) => text(`${at.project}/data/../.env`),
  "read .env by a relative path": () => text("./.env"),
  "read .env by a symbolic link": (at) => {
    fs.symlinkSync("../.env", `${at.project}/out/env`);
    text(`${at.project}/out/env`);
  },
  "read .env by a hard link": (at) => {
    fs.linkSync(`${at.project}/.env`, `${at.project}/out/hard`);
    text(`${at.project}/out/hard`);
  },
  "read .env by /proc/self/root": (at) => text(`/proc/self/root${at.project}/.env`),
  "read .env by /proc/self/cwd": () => text("/proc/self/cwd/.env"),
  "read .env by a handle of its folder": (at) => byHandle(at.project, ".env"),
  "read outside by a handle of the project": (at) => byHandle(at.project, "../outside/secret.txt"),
  "read outside by a link that is there": (at) => text(`${at.project}/linked.txt`),
  "list the home folder's .ssh with a promise": (at) => promises.readdir(`${at.home}/.ssh`),
  "read a key in the home folder with a promise": (at) => promises.readFile(`${at.home}/.ssh/id_ed25519`),
  "read the host's environment with a promise": (at) => promises.readFile(`/proc/${at.host}/environ`),
  "open the host's memory with a promise": (at) => openAndCloseLater(`/proc/${at.host}/mem`, "r"),
  "read .git with a promise": (at) => promises.readFile(`${at.project}/.git/config`),
  "read .env by .. with a promise": (at) => promises.readFile(`${at.project}/data/../.env`),
  "read .env by a symbolic link with a promise": async (at) => {
    await promises.symlink("../.env", `${at.project}/out/env-later`);
    await promises.readFile(`${at.project}/out/env-later`);
  },
  "read .env by /proc/self/root with a promise": (at) =>
    promises.readFile(`/proc/self/root${at.project}/.env`),
  "read .env by /proc/self/cwd with a promise": () => promises.readFile("/proc/self/cwd/.env"),
  "read a variable": () => {
    if (process.env.KNITTING_TEST_SECRET === undefined) {
      throw Object.assign(new Error("there is none"), { code: "NOT_SET" });
    }
  },

  // Writing.
  "write .env": (at) => fs.appendFileSync(`${at.project}/.env`, "\n"),
  "write in node_modules": (at) => fs.writeFileSync(`${at.project}/node_modules/greet/new.js`, ""),
  "write in node_modules with a promise": (at) =>
    promises.appendFile(`${at.project}/node_modules/greet/index.js`, "\n"),
  "write in the parent folder": (at) => fs.writeFileSync(`${at.parent}/new.txt`, "new"),
  "make a folder outside": (at) => fs.mkdirSync(`${at.parent}/made`),
  "write by a link made for it": (at) => {
    fs.symlinkSync("../../outside/greeting.txt", `${at.project}/out/greeting`);
    fs.appendFileSync(`${at.project}/out/greeting`, "!");
  },
  "write the addon": (at) => openAndClose(at.addon, "r+"),
  "remove a file outside": (at) => fs.unlinkSync(`${at.parent}/outside/victim.txt`),
  "rename a file outside": (at) =>
    fs.renameSync(`${at.parent}/outside/renamed.txt`, `${at.parent}/outside/other.txt`),
  "move a file out of the project": (at) =>
    fs.renameSync(`${at.project}/out/kept.txt`, `${at.parent}/kept.txt`),
  "replace node_modules": (at) => fs.renameSync(`${at.project}/node_modules`, `${at.project}/out/modules`),
  "truncate a file outside": (at) => fs.truncateSync(`${at.parent}/outside/long.txt`, 1),
  "chmod outside": (at) => fs.chmodSync(`${at.parent}/outside/secret.txt`, 0o640),
  "utimes outside": (at) => fs.utimesSync(`${at.parent}/outside/secret.txt`, 1, 1),
  "utimes outside with a promise": (at) => promises.utimes(`${at.parent}/outside/secret.txt`, 1, 1),
  "write in the parent folder with a promise": (at) => promises.writeFile(`${at.parent}/later.txt`, "new"),
  "write the addon with a promise": (at) => openAndCloseLater(at.addon, "r+"),
  "chmod outside with a promise": (at) => promises.chmod(`${at.parent}/outside/secret.txt`, 0o600),
  "write 1 MiB to /dev/shm with a promise": (at) =>
    promises.writeFile(`/dev/shm/${at.scratch}`, new Uint8Array(1 << 20)),
  "write 1 MiB to /dev/shm": (at) => fs.writeFileSync(`/dev/shm/${at.scratch}`, new Uint8Array(1 << 20)),

  // Starting programs.
  "start a shell": () => start("/bin/sh", ["-c", "true"]),
  "start a shell without waiting": () => startLater("/bin/sh", ["-c", "true"]),
  "start the runtime": (at) => execFileSync(at.executable, ["--version"], { stdio: "ignore" }),
  "start a program through ld.so": (at) => start(at.interpreter, ["/bin/true"]),
  "start the runtime without waiting": (at) => startLater(at.executable, ["--version"]),
  "start a program through ld.so without waiting": (at) => startLater(at.interpreter, ["/bin/true"]),
  "start a script of its own": (at) => {
    fs.writeFileSync(`${at.project}/out/script`, "#!/bin/sh\n", { mode: 0o755 });
    start(`${at.project}/out/script`, []);
  },

  // The network and other processes.
  "connect by TCP": (at) => reach({ port: at.port, host: "127.0.0.1" }),
  "connect to a UNIX socket": (at) => reach({ path: at.socket }),
  fetch: async (at) => {
    await (await fetch(`http://127.0.0.1:${at.port}/`)).text();
  },
  "send by UDP": (at) =>
    new Promise((resolve, reject) => {
      const socket = createSocket("udp4");
      socket.once("error", reject);
      socket.send("hello", at.udpPort, "127.0.0.1", (error) => {
        socket.close();
        error ? reject(error) : resolve();
      });
    }),
  "ask whether the host is there": (at) => process.kill(at.host, 0),
  "set the host's priority": (at) => setPriority(at.host, getPriority(at.host)),
  "list /dev/shm": () => fs.readdirSync("/dev/shm"),
  "open another pool's memory by its name": (at) => openAndClose(`/dev/shm/${at.memory}`, "r"),
  "open another worker's memory through /proc": (at) => openAndClose(`/proc/${at.neighbour}/fd/0`, "r"),
  "open another pool's memory by its name with a promise": (at) =>
    openAndCloseLater(`/dev/shm/${at.memory}`, "r"),
  "open another worker's memory through /proc with a promise": (at) =>
    openAndCloseLater(`/proc/${at.neighbour}/fd/0`, "r"),
};

/** The same for a worker that may start `bin/tool` of its project, and nothing else. */
const REPLACEMENTS = {
  "write the program": (at) => fs.writeFileSync(at.tool, "#!/bin/sh\necho replaced\n"),
  "write the program with a promise": (at) => promises.appendFile(at.tool, "echo more\n"),
  "change its mode": (at) => fs.chmodSync(at.tool, 0o777),
  "put another in its place": (at) => fs.renameSync(`${at.project}/data/numbers.txt`, at.tool),
  "remove it": (at) => fs.unlinkSync(at.tool),
  "move its folder": (at) => fs.renameSync(`${at.project}/bin`, `${at.project}/out/bin`),
  "start another program": () => start("/usr/bin/git", ["--version"]),
  "start another program without waiting": () => startLater("/usr/bin/git", ["--version"]),
  "start another by the interpreter that a shell has": (at) =>
    start(at.interpreter, ["/usr/bin/git", "--version"]),
  "start what it has written": (at) => {
    fs.writeFileSync(`${at.project}/out/other`, "#!/bin/sh\n", { mode: 0o755 });
    start(`${at.project}/out/other`, []);
  },
};

/** What each attempt ends in: "done", or how it was denied. Those named in `skip` are left out. */
export async function tryAll(at) {
  const outcomes = {};
  for (const [what, go] of Object.entries(at.tool === undefined ? ATTEMPTS : REPLACEMENTS)) {
    if (!at.skip.includes(what)) {
      try {
        await go(at);
        outcomes[what] = "done";
      } catch (error) {
        const { name, message, cause } = error;
        outcomes[what] = [error.code ?? cause?.code ?? name, message, cause?.message].join(": ");
      }
    }
  }
  return outcomes;
}

export const pid = () => process.pid;
