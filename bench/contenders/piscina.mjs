/** The pool of threads of the package piscina. */
import { fileURLToPath } from "node:url";
import { loadPeer } from "../peers.mjs";

const filename = fileURLToPath(new URL("../arrival-tasks.mjs", import.meta.url));

export class Piscina {
  name = "piscina";
  #pool;

  async start(workers) {
    const { default: Pool } = await loadPeer("piscina");
    this.#pool = new Pool({ filename, name: "serve", minThreads: workers, maxThreads: workers });
  }

  serve(argument) {
    return this.#pool.run(argument);
  }

  async stop() {
    await this.#pool?.destroy();
  }
}
