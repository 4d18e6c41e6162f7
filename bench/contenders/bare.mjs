/** A process of a runtime alone, which has imported the tasks and sleeps. It takes no calls. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { ensureRuntimes } from "../../scripts/runtimes.mjs";

const CHILD = fileURLToPath(new URL("./bare-child.mjs", import.meta.url));

class Bare {
  kind = "process";
  ours = false;
  cannot = {};
  #command;
  #child;

  /** `command()` returns a program and its options. */
  constructor(name, command) {
    this.name = name;
    this.#command = command;
  }

  async start() {
    const [program, ...options] = this.#command();
    this.#child = spawn(program, [...options, CHILD], { stdio: ["pipe", "pipe", "inherit"], env: {} });
    // Its first output says that it has started. It ends when its input does.
    await once(this.#child.stdout, "data");
  }

  async stop() {
    const exit = once(this.#child, "exit");
    this.#child.kill();
    await exit;
  }
}

/** Node's comes first. */
export function bareRuntimes() {
  return [
    new Bare("bare node", () => [process.execPath]),
    new Bare("bare deno", () => [ensureRuntimes().deno, "run", "--quiet", "--no-config"]),
    new Bare("bare bun", () => [ensureRuntimes().bun]),
  ];
}

/** The name of the bare runtime that the worker processes of a contender run on. */
export function bareRuntimeOf({ name }) {
  const [runtime] = name.match(/\b(deno|bun)\b/) ?? ["node"];
  return `bare ${runtime}`;
}
