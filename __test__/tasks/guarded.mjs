/** Tasks that call what would end their worker, by each way to get hold of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import byDefault, { abort, exit, kill } from "node:process";
// biome-ignore lint/style/useNodejsImportProtocol: the other name of the same module
import * as namespace from "process";

const require = createRequire(import.meta.url);
const { Deno } = globalThis;
const self = globalThis.process;

/** The call, and what it is. The functions are called as methods of what they are found on. */
const ATTEMPTS = [
  ["process.exit", () => self.exit(3)],
  ["process.exit", () => self.exit()],
  ["process.exit", () => exit(3)],
  ["process.exit", () => byDefault.exit(3)],
  ["process.exit", () => namespace.exit(3)],
  ["process.exit", () => namespace.default.exit(3)],
  // biome-ignore lint/style/useNodejsImportProtocol: the other name of the same module
  ["process.exit", () => require("process").exit(3)],
  ["process.exit", () => require("node:process").exit(3)],
  ["process.exit", () => require("./guarded.cjs").exit(3)],
  ["process.exit", () => new Function("process.exit(3)")()],
  ["process.reallyExit", () => self.reallyExit(3)],
  ["process.abort", () => self.abort()],
  ["process.abort", () => abort()],
  ["process.abort", () => namespace.abort()],
  ["process.abort", () => require("./guarded.cjs").abort()],
  ["process.kill", () => self.kill(self.pid)],
  ["process.kill", () => self.kill(self.pid, "SIGKILL")],
  ["process.kill", () => self.kill(0, 9)],
  ["process.kill", () => kill(self.pid, "SIGKILL")],
  ["process.kill", () => namespace.kill(self.pid, "SIGKILL")],
  ["process.kill", () => require("./guarded.cjs").kill(self.pid, "SIGKILL")],
  ["process._kill", () => self._kill(self.pid, 9)],
  ...(self.execve ? [["process.execve", () => self.execve("/bin/false", ["false"])]] : []),
  ...(self.getBuiltinModule ? [["process.exit", () => self.getBuiltinModule("process").exit(3)]] : []),
  ...(Deno
    ? [
        ["Deno.exit", () => Deno.exit(3)],
        ["Deno.exit", () => new Function("Deno.exit(3)")()],
        ["Deno.kill", () => Deno.kill(Deno.pid)],
        ["Deno.kill", () => Deno.kill(Deno.pid, "SIGKILL")],
        ["close", () => close()],
        ["close", () => globalThis.close()],
      ]
    : []),
];

export const names = () => ATTEMPTS.map(([name]) => name);
export const attempt = (index) => ATTEMPTS[index][1]();
export const attemptLater = async (index) => {
  await null;
  return ATTEMPTS[index][1]();
};
export const attemptInTimer = () => {
  setTimeout(() => self.exit(3), 1);
  return new Promise(() => {});
};

/** Says whether it is the same worker as before. */
const identity = `${self.pid}/${Math.random()}`;
export const who = () => identity;

/** Tries to get the real functions back. */
export const restore = () => {
  const attempts = [
    () => {
      self.exit = () => "replaced";
    },
    () => {
      delete self.exit;
    },
    () => Object.defineProperty(self, "exit", { value: () => "replaced" }),
    () => Object.defineProperty(self, "exit", { writable: true }),
    () => Object.setPrototypeOf(self, null),
    () => syncBuiltinESMExports(),
  ];
  const before = Object.getPrototypeOf(self);
  for (const attempt of attempts) {
    try {
      attempt();
    } catch {
      // Being told is as good.
    }
  }
  Object.setPrototypeOf(self, before);
  return self.exit(3);
};

/** What signal-exit does, which many packages use. */
export const patchReallyExit = () => {
  const { reallyExit } = self;
  self.reallyExit = (code) => reallyExit.call(self, code);
  return "patched";
};

export const exists = (pid) => self.kill(pid, 0);
export const existsByName = (pid) => kill(pid, 0);
export const setExitCode = (code) => {
  self.exitCode = code;
  return self.exitCode;
};

/** Starts a process and ends it by its own function: the signal it got. */
export const killChild = async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  child.kill("SIGKILL");
  const [, signal] = await once(child, "exit");
  return signal;
};

/** Writes what the listeners of the worker's end are told. */
export const tellOfExit = (path) => {
  self.on("exit", (code) => writeFileSync(path, `exit ${code}`));
};
