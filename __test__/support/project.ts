/** A separate project with files that a policy may allow or deny, and its tasks. */
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { importTask } from "knitting-native";
import { write } from "./installed";

export interface Project {
  /** The folder that contains the project's folder. */
  readonly parent: string;
  /** The project's folder, which becomes the working directory. */
  readonly folder: string;
  remove(): void;
}

/** Makes a project. Not below /tmp, because sandboxes often hide it. */
export function makeProject(): Project {
  const parent = realpathSync(mkdtempSync("/var/tmp/knitting-permissions-"));
  const folder = join(parent, "project");
  const packages = join(folder, "node_modules");
  write(parent, { "outside/secret.txt": "outside", "outside/greeting.txt": "hello from outside" });
  write(folder, {
    // Deno resolves the dependencies that a project declares.
    "package.json": '{ "private": true, "type": "module", "dependencies": { "greet": "1.0.0" } }',
    "data/numbers.txt": "1 2 3",
    "out/kept.txt": "kept",
    "variables.env": "FROM_FILE=yes\nQUOTED='a b'\n# a comment\nEXPORTED=file\n",
    ".env": "TOKEN=secret",
    ".git/config": "[remote]",
    ".npmrc": "//registry/:_authToken=secret",
    "deno.lock": "{}",
  });
  write(packages, {
    "greet/package.json": '{ "name": "greet", "version": "1.0.0", "main": "index.js" }',
    "greet/index.js": 'module.exports = (name) => require("polite")("hello " + name);',
    "polite/package.json": '{ "name": "polite", "version": "1.0.0", "main": "index.js" }',
    "polite/index.js": "module.exports = (text) => text + ', please';",
  });
  symlinkSync("../outside/greeting.txt", join(folder, "linked.txt"));
  mkdirSync(join(folder, "empty"));
  copyFileSync(join(__dirname, "..", "fixtures", "tasks", "permitted.mjs"), join(folder, "tasks.mjs"));
  return { parent, folder, remove: () => rmSync(parent, { recursive: true, force: true }) };
}

/** The project's tasks. */
export function tasksOf({ folder }: Project) {
  const href = pathToFileURL(join(folder, "tasks.mjs")).href;
  const take = <A, R>(name: string) => importTask<A, R>({ href, name });
  return {
    pid: take<void, number>("pid"),
    read: take<string, string>("read"),
    readLater: take<string, string>("readLater"),
    list: take<string, string[]>("list"),
    write: take<[path: string, text: string], void>("write"),
    writeLater: take<[path: string, text: string], void>("writeLater"),
    append: take<[path: string, text: string], void>("append"),
    start: take<string[], string>("start"),
    startLater: take<string[], string>("startLater"),
    startSync: take<string, number>("startSync"),
    startInShell: take<string, void>("startInShell"),
    startByRequire: take<string, void>("startByRequire"),
    variables: take<void, Record<string, string>>("variables"),
    greet: take<string, string>("greet"),
    imports: take<string, string[]>("imports"),
    connect: take<number | string, string>("connect"),
    serve: take<string, string>("serve"),
    listen: take<[kind: "net" | "http", host: string | undefined], void>("listen"),
    bind: take<string | undefined, void>("bind"),
    print: take<string, void>("print"),
  };
}
