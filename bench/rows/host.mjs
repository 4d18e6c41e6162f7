/**
 * Host processes of their own, for rows that need one: for a contender's memory, its time at rest, its first start, a
 * server. host-child.mjs is the program of such a process. This module starts it, asks it and ends it.
 *
 * A host has no environment variables, and so has a worker that inherits its own from it: a variable such as
 * NODE_EXTRA_CA_CERTS costs a runtime time and memory at its start.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("./host-child.mjs", import.meta.url));
const PATIENCE_MILLIS = 20_000;
const STOP_MILLIS = 5_000;

export class Host {
  #child;
  #exit;
  #stuck = false;

  /**
   * `lineUp` is what `contendersOf` of bench/line-up.mjs makes the contenders from. `flags` are those of Node in addition
   * to this process's. `fork` hands them on.
   */
  constructor({ lineUp = {}, flags = [] } = {}) {
    this.#child = fork(CHILD, [JSON.stringify(lineUp)], {
      env: {},
      execArgv: [...process.execArgv, ...flags],
      // A process group of its own, so that its worker processes can be ended with it.
      detached: true,
    });
    this.#exit = once(this.#child, "exit");
    // An idle host keeps nobody waiting. It ends when this process does, by the end of its channel.
    this.#child.unref();
    this.#child.channel.unref();
  }

  get pid() {
    return this.#child.pid;
  }

  get isAlive() {
    return !this.#stuck && this.#child.connected;
  }

  /**
   * Runs a command of host-child.mjs. One command at a time. Rejects if it fails, if the host ends, or if there is no
   * answer in time.
   */
  async ask(command, argument) {
    const over = new AbortController();
    const { signal } = over;
    const timer = setTimeout(() => over.abort(), PATIENCE_MILLIS);
    this.#child.channel?.ref();
    try {
      const answer = once(this.#child, "message", { signal });
      const ended = this.#exit.then(([status, ended]) => {
        throw new Error(`its host process has ended with ${ended ?? status}`);
      });
      this.#child.send({ command, argument });
      const [{ value, failure }] = await Promise.race([answer, ended]);
      if (failure !== undefined) {
        throw new Error(failure);
      }
      return value;
    } catch (error) {
      if (signal.aborted) {
        this.#stuck = true;
        throw new Error(`no answer within ${PATIENCE_MILLIS / 1e3} s`);
      }
      throw error;
    } finally {
      clearTimeout(timer);
      over.abort();
      this.#child.channel?.unref();
    }
  }

  /**
   * Ends the process and its workers: by itself, because the kernel counts the time of a process for the one that has
   * waited for its end, and otherwise as that of others. What does not end is killed.
   */
  async end() {
    const killAll = () => {
      try {
        process.kill(-this.#child.pid, "SIGKILL");
      } catch {
        // Nothing of it is left.
      }
    };
    if (this.#child.connected) {
      this.#child.disconnect();
    }
    const timer = setTimeout(killAll, this.#stuck ? 0 : STOP_MILLIS);
    this.#child.ref();
    await this.#exit.catch(() => {});
    clearTimeout(timer);
    killAll();
  }
}

/** Lets a new host do something, and ends it. */
export async function withHost(options, use) {
  const host = new Host(options);
  try {
    return await use(host);
  } finally {
    await host.end();
  }
}
