// Worker threads under the strict profile, on whatever Node this is: prints who enforces which rule, and what attempts end in.
import { once } from "node:events";
import { createServer } from "node:net";
import { pathToFileURL } from "node:url";
import { createPool, importTask } from "knitting-native";

const { project, outside } = JSON.parse(process.argv[2]);
process.chdir(project);
const href = pathToFileURL(`${project}/tasks.mjs`).href;
const take = (name) => importTask({ href, name });
const names = ["read", "readLater", "write", "start", "connect", "listen", "print"];
const listener = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
await once(listener, "listening");

const pool = createPool({ permission: "strict" })(
  Object.fromEntries(names.map((name) => [name, take(name)])),
);
const attempt = async (name, argument) =>
  pool.call[name](argument).then(
    () => "done",
    ({ code }) => code,
  );
const outcomes = {
  "read inside": await attempt("read", `${project}/data/numbers.txt`),
  "write inside": await attempt("write", [`${project}/out/new.txt`, "new"]),
  read: await attempt("read", outside),
  "read later": await attempt("readLater", outside),
  write: await attempt("write", [outside, "new"]),
  run: await attempt("start", ["git", "--version"]),
  net: await attempt("connect", listener.address().port),
  listen: await attempt("listen", ["http", "127.0.0.1"]),
};
await attempt("print", "not to be seen");
const enforced = pool.permissions.rules.filter(({ enforcedBy }) => enforcedBy.length > 0);
console.log(JSON.stringify({ outcomes, enforced: [...new Set(enforced.map(({ rule }) => rule))] }));
await pool.shutdown();
listener.close();
