/**
 * A host killed by SIGKILL leaves nothing behind, whatever its workers were doing.
 *
 * Each round starts a host (`fixtures/hosts/orphan-host.mjs`), waits until every worker has announced that it is at the
 * phase's barrier, kills the host, and looks for leftovers: processes, by the round's mark and by their groups;
 * containers; files in the host's temporary folder. At the end of a phase another pool starts, after which no name in
 * /dev/shm is left.
 *
 * A worker that is held at a barrier stays held, and only the host's end ends it. Where that is impossible the worker
 * is released once the host is dead, see `letsGo`.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  allContainers,
  ensureContainers,
  missing,
  removeContainers,
  runningContainers,
} from "../support/containers";
import { killProcessesOf, processesOf } from "../support/marks";
import { until, WATCHDOG_MILLIS } from "../support/processes";
import { KILLED_AT_BARRIER, KILLED_HOSTS } from "../support/repetitions";

const root = join(__dirname, "..", "..");
const minutes = 60_000;

interface Round {
  readonly mark: string;
  /** The folder of the barriers' announcements. The workers can write there. */
  readonly folder: string;
}

/** How the workers are started. */
interface Transport {
  readonly name: string;
  readonly rounds: number;
  readonly skip?: string | undefined;
  readonly named: boolean;
  /** Approximate start time of a worker. The kills of `starting` are spread over it. */
  readonly startMillis: number;
  readonly wrapper: (round: Round) => string[];
  /**
   * Whether workers that were held before they had attached are released after the host's end, because nothing can end
   * them there.
   */
  readonly letsGo?: boolean;
  /** Whether containers are removed when they have ended, or stay listed as ended. */
  readonly removes?: boolean;
}

const containers = ensureContainers();

function podmanRun({ mark, folder }: Round, ...flags: string[]): string[] {
  return [
    ...[containers.podman, "run", "--ipc=host", "--label", `knitting-test=${mark}`, "--name", `${mark}-%n`],
    ...["-v", `${root}:${root}:ro`, "-v", `${folder}:${folder}`, "-w", root],
    ...["-e", "KNITTING_PROCESS_WORKER", "-e", "KNITTING_PROCESS_WORKER_BOOT"],
    ...["-e", "KNITTING_TEST_MARK", "-e", "KNITTING_TEST_BARRIER"],
    ...flags,
    containers.image,
  ];
}

function bwrap({ folder }: Round, ...flags: string[]): string[] {
  return [
    ...["bwrap", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"],
    // Either folder may lie below /tmp.
    ...["--ro-bind", root, root, "--bind", folder, folder, ...flags],
  ];
}

const transports: readonly Transport[] = [
  { name: "bare", rounds: KILLED_HOSTS.common, named: false, startMillis: 150, wrapper: () => [] },
  {
    name: "bare with named memory",
    rounds: KILLED_HOSTS.others,
    named: true,
    startMillis: 150,
    wrapper: () => [],
  },
  {
    name: "bwrap",
    rounds: KILLED_HOSTS.common,
    skip: missing("bwrap"),
    named: false,
    startMillis: 150,
    wrapper: (round) => bwrap(round, "--unshare-all", "--die-with-parent"),
  },
  {
    name: "bwrap that neither dies with its parent nor has a process namespace",
    rounds: KILLED_HOSTS.others,
    skip: missing("bwrap"),
    named: false,
    startMillis: 150,
    wrapper: (round) => bwrap(round),
    letsGo: true,
  },
  {
    name: "podman run --rm",
    rounds: KILLED_HOSTS.common,
    skip: containers.reason || undefined,
    named: true,
    startMillis: 400,
    wrapper: (round) => podmanRun(round, "--rm"),
    letsGo: true,
    removes: true,
  },
  {
    name: "podman run",
    rounds: KILLED_HOSTS.others,
    skip: containers.reason || undefined,
    named: true,
    startMillis: 400,
    wrapper: (round) => podmanRun(round),
    letsGo: true,
    removes: false,
  },
];

/** The phases in the order of a worker's life. All but the first have a barrier; the first tries several moments. */
const phases = ["starting", "before-exec", "before-attach", "running", "replying", "shutting-down"];
const beforeAttach = ["before-exec", "before-attach"];

// Several run at once. Each host has a mark of its own, and only processes with that mark are looked for.
describe.concurrent.each(transports)("$name", (transport) => {
  test.for(phases)(
    "a host that is killed leaves nothing: %s",
    { timeout: 10 * minutes },
    async (phase, context) => {
      context.skip(transport.skip !== undefined, transport.skip);
      const named = transport.named ? `orphans${randomUUID().slice(0, 8)}` : undefined;
      const rounds = phase === "starting" ? transport.rounds : Math.min(transport.rounds, KILLED_AT_BARRIER);
      for (let round = 0; round < rounds; round++) {
        await killOnce(transport, phase, named, round / rounds);
      }
      if (named !== undefined) {
        await servesAndEnds(transport, named);
        expect(namesOf(named)).toEqual([]);
      }
    },
  );
});

const THREADS = 2;

/** `moment`: when to kill in a phase without a barrier, from 0 to 1. */
async function killOnce(transport: Transport, phase: string, named: string | undefined, moment: number) {
  const host = new KillableHost(transport, phase, named);
  const groups = new Set<number>();
  try {
    if (phase === "starting") {
      await host.announced("starting", 1);
      await new Promise((resolve) => setTimeout(resolve, moment * transport.startMillis));
    } else {
      // A host in the phase shutting-down waits for permission, because it ends its workers by itself.
      await host.announced(phase === "shutting-down" ? "running" : phase, THREADS);
      const workers = processesOf(host.mark).filter(({ pid }) => pid !== host.pid);
      expect(workers.length, "processes found by the mark").toBeGreaterThanOrEqual(THREADS);
      if (named !== undefined && beforeAttach.includes(phase)) {
        // The names that the host would leave. Any pool that starts on this machine from now on may remove them.
        expect(namesOf(named).length, "names in /dev/shm").toBeGreaterThanOrEqual(THREADS);
      }
      for (const { group } of workers.filter((worker) => worker.group !== host.group)) {
        groups.add(group);
      }
      if (phase === "shutting-down") {
        host.shutDown();
        await host.announced(phase, 1);
      }
    }
    await host.kill();
    if (transport.letsGo) {
      host.letGo();
    }
    await gone("process", () => processesOf(host.mark, groups));
    if (transport.removes !== undefined) {
      await gone("running container", () => runningContainers(host.mark));
    }
    if (transport.removes) {
      await gone("container", () => allContainers(host.mark));
    }
    expect(readdirSync(host.temporary), "in the temporary folder").toEqual([]);
  } finally {
    host.cleanUp(groups);
    if (transport.removes !== undefined) {
      removeContainers(host.mark);
    }
  }
}

/** Runs the next pool. */
async function servesAndEnds(transport: Transport, named: string) {
  const host = new KillableHost(transport, "next", named);
  try {
    expect(await host.exit(), host.stderr).toBe(0);
  } finally {
    host.cleanUp(new Set());
  }
}

/** Waits until nothing is found any more; throws what is still found. */
async function gone(what: string, find: () => unknown[]): Promise<void> {
  try {
    await until(`no ${what} is left`, () => find().length === 0);
  } catch (error) {
    const left = find();
    if (left.length > 0) {
      throw new Error(`left after ${WATCHDOG_MILLIS} ms, ${what}: ${JSON.stringify(left, null, 1)}`, {
        cause: error,
      });
    }
  }
}

function namesOf(prefix: string): string[] {
  return readdirSync("/dev/shm").filter((name) => name.startsWith(prefix));
}

class KillableHost {
  /** The mark is in the environment of everything that the host starts, and in the names of its containers. */
  readonly mark = `orphan-${randomUUID()}`;
  readonly temporary: string;
  stderr = "";
  readonly #base = mkdtempSync(join(tmpdir(), "knitting-orphans-"));
  readonly #folder = join(this.#base, "barriers");
  readonly #process;
  readonly #exit: Promise<unknown[]>;

  constructor({ wrapper }: Transport, phase: string, named: string | undefined) {
    this.temporary = join(this.#base, "tmp");
    mkdirSync(this.temporary);
    mkdirSync(this.#folder);
    const round = { mark: this.mark, folder: this.#folder };
    const plan = { phase, wrapper: wrapper(round), named, threads: THREADS, folder: this.#folder };
    this.#process = spawn(
      process.execPath,
      [join(__dirname, "..", "fixtures", "hosts", "orphan-host.mjs"), JSON.stringify(plan)],
      {
        stdio: ["ignore", "ignore", "pipe"],
        // The host gets a process group of its own, which differs from those of the workers.
        detached: true,
        env: {
          ...process.env,
          ...containers.environment,
          TMPDIR: this.temporary,
          KNITTING_TEST_MARK: this.mark,
          KNITTING_TEST_BARRIER: this.#folder,
        },
      },
    );
    this.#process.stderr.on("data", (data) => {
      this.stderr += data;
    });
    this.#exit = once(this.#process, "exit");
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  get group(): number {
    return this.pid;
  }

  /** Waits until this many have announced that they are there. */
  async announced(what: string, count: number): Promise<void> {
    const files = () => readdirSync(this.#folder).filter((name) => name.startsWith(`${what}.`));
    await until(`${count} announce ${what}`, () => files().length >= count).catch((error) => {
      throw new Error(
        `${(error as Error).message}; there: ${readdirSync(this.#folder)}; said: ${this.stderr}`,
      );
    });
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exit;
  }

  async exit(): Promise<unknown> {
    const watchdog = setTimeout(() => this.#process.kill("SIGKILL"), WATCHDOG_MILLIS);
    const [code] = await this.#exit;
    clearTimeout(watchdog);
    return code;
  }

  /** Tells the host to shut its pool down. */
  shutDown(): void {
    writeFileSync(join(this.#folder, "shut"), "");
  }

  /** Releases all that wait at a barrier. */
  letGo(): void {
    writeFileSync(join(this.#folder, "go"), "");
  }

  /** A failed round may have left something. */
  cleanUp(groups: ReadonlySet<number>): void {
    this.letGo();
    killProcessesOf(this.mark, groups);
    rmSync(this.#base, { recursive: true, force: true });
  }
}
