// What a policy may allow or deny. Copied into a project of its own: see ../project.ts.
import { execFile, execFileSync, execSync, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { connect as connectTo, createServer as createTcpServer } from "node:net";
import { promisify } from "node:util";

export const pid = () => process.pid;

export const read = (path) => readFileSync(path, "utf8");
export const readLater = (path) => readFile(path, "utf8");
export const list = (path) => readdirSync(path).sort();
export const write = ([path, text]) => writeFileSync(path, text);
export const writeLater = ([path, text]) => writeFile(path, text);
export const append = ([path, text]) => appendFileSync(path, text);

export const start = ([program, ...parameters]) =>
  execFileSync(program, parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
export const startLater = async ([program, ...parameters]) =>
  (await promisify(execFile)(program, parameters, { encoding: "utf8" })).stdout;

/** What `spawnSync` has kept to itself, if it has not thrown. */
export const startSync = (program) => {
  const { error, status } = spawnSync(program);
  if (error !== undefined) {
    throw error;
  }
  return status;
};
export const startInShell = (command) => execSync(command, { stdio: "ignore" });
export const startByRequire = (program) =>
  createRequire(import.meta.url)("node:child_process").execFileSync(program, { stdio: "ignore" });

export const variables = () => ({ ...process.env });

export const greet = async (name) => (await import("greet")).default(name);
export const imports = async (specifier) => Object.keys(await import(specifier));

/** To a port of this machine, or to the path of a UNIX socket. */
export const connect = (to) =>
  new Promise((resolve, reject) => {
    const socket = connectTo(typeof to === "string" ? { path: to } : { port: to, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve("connected");
    });
    socket.once("error", reject);
  });

/** An HTTP server that is asked once, by this worker. */
export const serve = async (answer) => {
  const server = createServer((_, response) => response.end(answer));
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    return await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  } finally {
    server.close();
  }
};

/** A server that only listens. */
export const listen = async ([kind, host]) => {
  const server = kind === "net" ? createTcpServer() : createServer();
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    host === undefined ? server.listen(0, resolve) : server.listen(0, host, resolve);
  });
  server.close();
};

/** The same of UDP. */
export const bind = async (host) => {
  const socket = createSocket("udp4");
  await new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, host, resolve);
  });
  socket.close();
};

export const print = (text) => {
  console.log(text);
  console.error(text);
};
