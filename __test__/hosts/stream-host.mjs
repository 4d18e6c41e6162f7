/** A host of streams in a process of its own: `stream-host.mjs <thread|process> <what>`. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createPool, importTask } from "knitting-native";

const [runtime, what] = process.argv.slice(2);
const href = new URL("../tasks/streams.mjs", import.meta.url).href;
const of = (name) => importTask({ href, name });
const worker = runtime === "process" ? { runtime, processRuntime: "node" } : { runtime };
const pool = createPool({ worker })({
  count: of("count"),
  countSlowly: of("countSlowly"),
  endedSoFar: of("endedSoFar"),
});
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

switch (what) {
  // Opens a stream, reads a little of it, and forgets it.
  case "collected": {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc");
    const forget = async () => {
      const stream = await pool.call.count(Number.POSITIVE_INFINITY);
      await stream.next();
    };
    await forget();
    let ended = [];
    while (ended.length === 0) {
      await pause(20);
      collect();
      ended = await pool.call.endedSoFar();
    }
    console.log("ended by itself");
    break;
  }
  case "unread": {
    const stream = await pool.call.count(Number.POSITIVE_INFINITY);
    globalThis.kept = stream;
    console.log("open");
    break;
  }
  case "reading": {
    let last = 0;
    for await (const value of pool.call.countSlowly(3)) {
      last = value;
    }
    console.log("read", last);
  }
}
