/** A build of this package whose workers are replaced. */
import { Knitting } from "./knitting.mjs";

const href = new URL("../recycling-tasks.mjs", import.meta.url).href;

export class Recycled extends Knitting {
  /** `build` holds the exports of the package. `options` are those of `createPool`. */
  constructor(name, build, options) {
    super(name, build, options, { more: { derive: build.importTask({ href, name: "derive" }) } });
    this.options = options;
  }

  /** Kills one of the workers that take calls: `choose(count)` is its place among them. Returns whether there was one. */
  kill(choose) {
    const ready = this.pool.workers.filter(({ state }) => state === "ready");
    if (ready.length > 0) {
      this.pool.kill(ready[choose(ready.length)]);
    }
    return ready.length > 0;
  }

  /** How many workers were replaced, by reason. */
  get recycled() {
    return this.pool.stats().recycled;
  }
}
