/** A build of this package in a process of its own, which ends when its first worker has answered. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const CHILD = fileURLToPath(new URL("./fresh-child.mjs", import.meta.url));

const execute = promisify(execFile);

export class Fresh {
  #arguments;

  constructor(name, { folder }, options) {
    this.name = name;
    this.#arguments = [CHILD, folder, JSON.stringify(options)];
  }

  async timeStart() {
    const { stdout } = await execute(process.execPath, this.#arguments);
    return JSON.parse(stdout);
  }
}
