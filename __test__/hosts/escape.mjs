// Runs the attempts of ../tasks/escapes.mjs in a worker, as whatever user this is, and prints what they end in.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createUnixServer } from "node:net";
import { pathToFileURL } from "node:url";
import { createPool, importTask } from "knitting-native";

const { worker, permission, at } = JSON.parse(process.argv[2]);
process.chdir(at.project);
const href = pathToFileURL(`${at.project}/escapes.mjs`).href;
const tasks = { tryAll: importTask({ href, name: "tryAll" }), pid: importTask({ href, name: "pid" }) };

const http = createServer((_, response) => response.end("reached")).listen(0, "127.0.0.1");
const unix = createUnixServer((socket) => socket.end()).listen(`${at.project}/out/socket`);
const udp = createSocket("udp4").bind(0, "127.0.0.1");
await Promise.all([http, unix, udp].map((server) => once(server, "listening")));

// Another pool, whose memory has a name.
const prefix = `knitting-escape-${process.pid}`;
const neighbours = createPool({
  worker: {
    runtime: "process",
    processRuntime: "node",
    processSharedMemory: { mode: "named", namePrefix: prefix, unlinkOnShutdown: true },
  },
})(tasks);
const neighbour = await neighbours.call.pid();

const pool = createPool({ worker, permission })(tasks);
const scratch = `${prefix}-scratch`;
const outcomes = await pool.call.tryAll({
  ...at,
  host: process.pid,
  port: http.address().port,
  udpPort: udp.address().port,
  socket: `${at.project}/out/socket`,
  memory: readdirSync("/dev/shm").find((name) => name.startsWith(prefix)),
  neighbour,
  scratch,
});
if (existsSync(`/dev/shm/${scratch}`)) {
  rmSync(`/dev/shm/${scratch}`);
}
console.log(JSON.stringify({ outcomes, rules: pool.permissions.rules }));
await pool.shutdown();
await neighbours.shutdown();
http.close();
http.closeAllConnections();
unix.close();
udp.close();
