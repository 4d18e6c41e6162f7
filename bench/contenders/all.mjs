/** All contenders, in the order of the table. */
import { spawnSync } from "node:child_process";
import { ensurePeers } from "../peers.mjs";
import { Fork } from "./fork.mjs";
import { JestWorker } from "./jest-worker.mjs";
import { Knitting } from "./knitting.mjs";
import { OtherKnitting } from "./other-knitting.mjs";
import { Piscina } from "./piscina.mjs";
import { Poolifier } from "./poolifier.mjs";
import { PostMessage } from "./post-message.mjs";
import { Tinypool } from "./tinypool.mjs";
import { Workerpool } from "./workerpool.mjs";

/** Everything can be read, nothing written, no network, no other processes. */
const BWRAP = [
  ...["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"],
  "--die-with-parent",
];

/**
 * `build` is what bench/builds.mjs loads. `runtimes` are the paths of `deno` and `bun`. `knitting` is what
 * bench/other-knitting.mjs loads, if a checkout was named. `env` are the variables of all workers, by default those of
 * this process; Knitting has no option for them.
 */
export function contenders({ build, runtimes, knitting, env }) {
  ensurePeers();
  const variables = env && { env };
  const ours = (name, worker, cannot) =>
    new Knitting(`knitting ${name}`, build, { worker: { ...worker, ...variables } }, { cannot });
  const theirs = (name, worker) => new OtherKnitting(`Knitting ${name}`, knitting, worker);
  const onNode = { runtime: "process", processRuntime: "node" };
  const on = (processRuntime) => ({
    runtime: "process",
    processRuntime,
    processRuntimePath: runtimes[processRuntime],
  });
  const advanced = { serialization: "advanced", ...variables };
  return [
    ours("thread", { runtime: "thread" }),
    ours("process", onNode),
    ours("deno", on("deno")),
    ours("bun", on("bun")),
    ours("bwrap", { ...onNode, processCommandPrefix: BWRAP }, withoutBwrap()),
    new PostMessage("postMessage", variables),
    new Fork("fork", { serialization: "json", ...variables }),
    new Fork("fork, advanced", advanced),
    new Piscina("piscina", variables),
    new Tinypool("tinypool", { runtime: "worker_threads", ...variables }),
    new Tinypool("tinypool, processes", { runtime: "child_process", ...advanced }),
    new Workerpool("workerpool", { workerType: "thread", workerThreadOpts: { ...variables } }),
    new Workerpool("workerpool, processes", { workerType: "process", forkOpts: advanced }),
    new Poolifier("poolifier", "thread", { ...variables }),
    new Poolifier("poolifier, cluster", "process", { settings: { serialization: "advanced" }, ...variables }),
    new JestWorker("jest-worker", { enableWorkerThreads: true, forkOptions: { ...variables } }),
    new JestWorker("jest-worker, processes", { forkOptions: { ...variables } }),
    ...(knitting ? [theirs("thread", { runtime: "thread" }), theirs("process", onNode)] : []),
  ];
}

/** Why bwrap can't start a worker here. */
function withoutBwrap() {
  const [command, ...args] = [...BWRAP, process.execPath, "--version"];
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: 10_000 });
  if (status === 0) {
    return {};
  }
  const said = stderr?.split("\n", 1)[0].replace(/^bwrap: /, "") || error?.message;
  return { start: error?.code === "ENOENT" ? "bwrap is not installed" : `bwrap fails here: ${said}` };
}
