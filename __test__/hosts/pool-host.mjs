/**
 * A host in a process of its own: `pool-host.mjs <thread|process> <what>`. It prints `ready` and its workers' process ids
 * once its pool serves, then does what it is told.
 */
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { createPool, importTask } from "knitting-native";

const [runtime, what] = process.argv.slice(2);
const href = new URL("../tasks/deadly.mjs", import.meta.url).href;
const of = (name) => importTask({ href, name });

function openPool(threads = 2) {
  const worker = runtime === "process" ? { runtime, processRuntime: "node" } : { runtime };
  return createPool({ threads, worker, permission: "unsafe" })({
    pid: of("pid"),
    never: of("never"),
    spinForEver: of("spinForEver"),
    sleepBusily: of("sleepBusily"),
    echo: of("echo"),
  });
}

/** Synchronous, so that it is out before a process.exit. */
function say(...words) {
  writeSync(1, `${words.join(" ")}\n`);
}

async function ready(pool) {
  const pids = await Promise.all([pool.call.pid(), pool.call.pid()]);
  say("ready", ...pids);
}

switch (what) {
  // Ends by itself: an idle pool keeps nothing alive.
  case "idle": {
    await ready(openPool());
    say("idle");
    break;
  }
  // The same while somebody listens, or nobody, to what the workers write.
  case "idle-pipe":
  case "idle-ignore": {
    const kind = runtime === "process" ? { runtime, processRuntime: "node" } : { runtime };
    const pool = createPool({ worker: { ...kind, stdio: what.slice("idle-".length) }, permission: "unsafe" })(
      {
        speak: of("speak"),
      },
    );
    pool.on("output", ({ line }) => say("heard", line));
    await pool.call.speak("something");
    say("idle");
    break;
  }
  // Ends after the call, not before.
  case "pending": {
    const pool = openPool();
    await ready(pool);
    pool.call.sleepBusily(700).then((millis) => say("answered", millis));
    break;
  }
  // Shuts down with a call in flight.
  case "draining": {
    const pool = openPool();
    await ready(pool);
    pool.call.sleepBusily(300).then((millis) => say("answered", millis));
    pool.shutdown(10_000).then(() => say("gone"));
    break;
  }
  case "draining-exit": {
    const pool = openPool();
    await ready(pool);
    pool.call.never();
    pool.shutdown(Number.POSITIVE_INFINITY);
    setTimeout(() => process.exit(7), 50);
    break;
  }
  // Waits for its first answer with nothing else to do, while the worker boots.
  case "booting": {
    openPool().call.echo("booted").then(say);
    break;
  }
  // Nothing but a call to a worker that is about to be started again.
  case "restarting": {
    const broken = importTask({
      href: "data:text/javascript,setTimeout(() => { throw 1 }); await new Promise(() => {}); export const f = 1",
      name: "f",
    });
    const worker = runtime === "process" ? { runtime, processRuntime: "node" } : { runtime };
    const pool = createPool({ worker })({ broken });
    const call = () => pool.call.broken().catch((error) => say("gave up:", error.name));
    setTimeout(call, 180);
    break;
  }
  case "outer-boot": {
    const { readdirSync, readlinkSync } = await import("node:fs");
    const memories = () =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).includes("memfd:knitting");
        } catch {
          return false;
        }
      }).length;
    for (let round = 0; round < 5; round++) {
      const outer = new Worker(new URL(import.meta.url), { argv: [runtime, "wait"] });
      await new Promise((resolve) => outer.once("online", resolve));
      await new Promise((resolve) => setTimeout(resolve, 20 * round));
      await outer.terminate();
    }
    const end = Date.now() + 10_000;
    while (memories() > 0 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    say("memories left:", memories());
    process.exit(0);
    break;
  }
  // A task has started a process of its own.
  case "spawn-and-wait":
  case "spawn-and-exit": {
    const code = `import { spawn } from "node:child_process";
      export const f = () => spawn("sleep", ["1000"], { stdio: "ignore" }).pid`;
    const spawns = importTask({ href: `data:text/javascript,${encodeURIComponent(code)}`, name: "f" });
    const worker = runtime === "process" ? { runtime, processRuntime: "node" } : { runtime };
    const pool = createPool({ worker, permission: "unsafe" })({ spawns });
    say("spawned", await pool.call.spawns());
    if (what === "spawn-and-exit") {
      process.exit(0);
    }
    setInterval(() => {}, 1_000);
    break;
  }
  // Leaves in the middle of things.
  case "exit": {
    const pool = openPool();
    await ready(pool);
    pool.call.spinForEver().catch(() => {});
    pool.call.never().catch(() => {});
    setTimeout(() => process.exit(7), 100);
    break;
  }
  case "exit-parked": {
    await ready(openPool());
    setTimeout(() => process.exit(7), 300);
    break;
  }
  // To be killed.
  case "wait": {
    const pool = openPool();
    await ready(pool);
    pool.call.spinForEver().catch(() => {});
    setInterval(() => {}, 1_000);
    break;
  }
  // A worker thread of its own that owns a pool is terminated.
  case "outer": {
    const outer = new Worker(new URL(import.meta.url), { argv: [runtime, "wait"] });
    await new Promise((resolve) => outer.once("online", resolve));
    process.stdin.resume();
    setTimeout(async () => {
      const begun = performance.now();
      await outer.terminate();
      say("terminated", performance.now() - begun < 1_000 ? "at once" : "late");
      process.exit(0);
    }, 1_500);
    break;
  }
  // `using` and `await using`, in engines that have them, come down to these.
  case "dispose": {
    const pool = openPool();
    await ready(pool);
    pool[Symbol.dispose]();
    break;
  }
  case "dispose-async": {
    const pool = openPool();
    await ready(pool);
    await pool[Symbol.asyncDispose]();
    say("disposed");
    break;
  }
  // Threads and descriptors are as before after a shutdown.
  case "leaks": {
    const { readdirSync } = await import("node:fs");
    const count = () =>
      `${readdirSync("/proc/self/fd").length} descriptors, ${readdirSync("/proc/self/task").length} threads`;
    // The first pool also starts what Node itself keeps for later.
    const first = openPool(1);
    await first.call.echo(1);
    await first.shutdown();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = count();
    for (let round = 0; round < 5; round++) {
      const pool = openPool(3);
      await Promise.all(Array.from({ length: 30 }, () => pool.call.echo(new Uint8Array(100_000))));
      await pool.shutdown();
    }
    const end = Date.now() + 10_000;
    while (count() !== before && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    say("before:", before);
    say("after:", count());
    break;
  }
  // Started once more under other flags of Node's.
  case "flags": {
    const { spawnSync } = await import("node:child_process");
    const script = import.meta.filename ?? new URL(import.meta.url).pathname;
    const execArgv = process.argv.slice(4);
    const { status, stdout, stderr } = spawnSync(process.execPath, [...execArgv, script, runtime, "booting"]);
    const fine = status === 0 && String(stdout) === "booted\n" && String(stderr) === "";
    say(fine ? "flags fine" : `status ${status}: ${stdout}${stderr}`);
    break;
  }
  // CPU-bound hosts with several pools at once.
  case "many": {
    const pools = Array.from({ length: 5 }, () => openPool(1));
    const sums = await Promise.all(
      pools.map(async (pool) => {
        let sum = 0;
        for (let index = 0; index < 2_000; index++) {
          sum += await pool.call.echo(index);
        }
        return sum;
      }),
    );
    await Promise.all(pools.map((pool) => pool.shutdown()));
    say("sums", ...sums);
  }
}
