/**
 * What the Rust side exports (`src/binding`), loaded on first use so that a program can be imported anywhere and hears of
 * an unsupported platform where it creates a pool.
 */
import { UnsupportedPlatformError } from "../base/errors";
import { addonPath, BUILD_ADVICE, platformName } from "./platform";

/**
 * Publishes what is staged and brings what has arrived into staging: the number of slots, -1 if the lane is closed, or `VIOLATED`.
 * With nothing there it spins for at most `spinNanos`.
 */
export type Exchange = (staged: number, spinNanos: number) => number;
/** Room for a payload: its offset in the outgoing arena, or `FULL`, `TOO_LARGE`, `NO_MEMORY`. */
export type Reserve = (bytes: number) => number;

export const VIOLATED = -2;
export const FULL = -1;
export const TOO_LARGE = -2;

/** What both ends of a lane have. */
export interface NativeLane {
  exchangeFunction(): Exchange;
  reserveFunction(): Reserve;
  staging(): ArrayBuffer;
  /** What of the outgoing arena may be in use; it grows, see `STAGING_WINDOW`. */
  outgoing(): ArrayBuffer;
  /** A private copy of a payload that `exchange` has left in the arena. */
  copyOut(offset: number, bytes: number): ArrayBuffer;
  /** Goes to sleep: `wake` is called once something arrives. False if something has arrived already. */
  arm(): boolean;
  /** Whether a sleeping lane is also woken when there is room. */
  wantRoom(wanted: boolean): void;
  /** Gives idle memory of the outgoing arena back, all above the first `keep` bytes. True if the other side holds some. */
  trim(keep: number): boolean;
}

/** Memory of the user's that several processes map. */
export interface NativeSharedBuffer {
  readonly byteLength: number;
  readonly inode: number;
  /** Whether private zeros are in its place. */
  readonly lost: boolean;
  /** `bytes` of it from byte `at`. */
  buffer(at: number, bytes: number): ArrayBuffer;
  /** Lets go of it; it stays mapped for the buffers there are. */
  close(): void;
}

export interface NativeHostLane extends NativeLane {
  /** Hands memory over, as what values refer to by a number. False if that has to wait. */
  give(number: number, memory: NativeSharedBuffer): boolean;
  /** Values refer to that number no more. False if that has to wait. */
  forget(number: number): boolean;
  /** Takes the memory of the first `bytes` of the outgoing arena from the system now. Throws if it has not so much. */
  prepare(bytes: number): void;
  /** Room in the outgoing arena to be filled at leisure: its offset, `FULL`, `TOO_LARGE` or `NO_MEMORY`. */
  lendRoom(bytes: number): number;
  /** The bytes of such room. */
  room(offset: number, bytes: number): ArrayBuffer;
  /** Gives up room from which nothing was sent. */
  giveBack(offset: number): void;
  /** Sequence number of the first submission that was not started, as far as the worker says so. */
  started(): number;
  /** What the worker did wrong. */
  violation(): string | null;
  /** Tells the worker that nobody waits for a call any more. */
  abort(call: number): void;
  /** A token with which one thread can attach as the worker. */
  lend(): number;
  /** The worker has attached: finds its process, and unlinks the name it has come by unless that is to stay. */
  attached(keepName: boolean): void;
  /** What was submitted under a sequence number that the worker has not started. */
  recover(sequence: number): { kind: number; view: number; content: ArrayBuffer };
  /** Asks the worker to end; a process is killed after the grace. */
  stop(graceMillis: number): void;
  /** Lets go of everything; kills a worker process. */
  close(): void;
}

export interface NativeWorkerLane extends NativeLane {
  /** What the worker is to run, from the boot payload; empty in a thread. See `js/worker/program.ts`. */
  readonly program: string;
  /** The first bytes of the incoming arena. */
  incoming(bytes: number): ArrayBuffer;
  /** The segment's words. */
  words(): ArrayBuffer;
  /** The memory that values refer to by this number, if the host has handed it over. */
  given(number: number): NativeSharedBuffer | null;
  /** True once the host wants this worker to end. */
  stopped(): boolean;
}

export interface LaunchOptions {
  launcher: string;
  /** What stands before the command; empty without a wrapper. */
  wrapper: string[];
  /** Runtime, its flags, worker entry. */
  command: string[];
  /** What the worker may do: a policy of `src/sandbox/policy.rs` as JSON. Everything without it. */
  sandbox: string | undefined;
  /** The whole environment. */
  env: [string, string][];
  /** Where it runs, if not where the host does. */
  cwd: string | undefined;
  stdio: "inherit" | "pipe" | "ignore";
  nice: number | undefined;
  /** Bytes of stack that the main thread may use. */
  stackBytes: number | undefined;
  /** What the worker is to run. */
  program: string;
}

export interface WorkerEvent {
  kind: "spawned" | "attached" | "output" | "outlives" | "failed" | "exited";
  /** Of "spawned": the command's. Of "attached": the worker's, if it can be found. */
  pid?: number;
  /** Of "output", with `lines`. */
  isStderr?: boolean;
  lines?: string;
  message?: string;
  /** Of "failed": another attempt may succeed. */
  transient?: boolean;
  code?: number;
  signal?: string;
  stderrTail?: string;
  /** Of "exited": it was given up, something of it is still there. */
  livesOn?: boolean;
}

/** What a kernel can enforce. */
export interface SandboxProbe {
  /** Version of Landlock's interface; 0 without Landlock. */
  landlock: number;
  /** Why there can be no private mounts, if there can't. */
  mounts?: string;
  seccomp: boolean;
}

/** A part of what the kernel enforces: see `Layer` in `src/sandbox/policy.rs`. */
export type KernelLayer = "masks" | "metadata" | "files" | "tcp" | "signals" | "abstractSockets" | "syscalls";

/** A layer of a policy that can't be enforced. */
export interface MissingLayer {
  layer: KernelLayer;
  /** The end of a sentence. */
  reason: string;
}

/** Paths without symbolic links that are there; `/proc/self` means the worker. */
export interface ProgramNeeds {
  /** Files and trees that it reads. */
  read: string[];
  /** Files that it executes, itself among them. */
  execute: string[];
  /** Devices that it reads and writes. */
  devices: string[];
}

export interface Native {
  readonly EXIT_REFUSED: number;
  HostLane: new (
    arenaBytes: number,
    /** Of the memory's name, if it is to have one. */
    namePrefix: string | undefined,
    wake: () => void,
  ) => NativeHostLane;
  WorkerLane: {
    attachThread(token: number, wake: () => void): NativeWorkerLane;
    attachProcess(wake: () => void): NativeWorkerLane;
  };
  SharedBuffer: {
    create(bytes: number, name: string | undefined): NativeSharedBuffer;
    /** All of it without `bytes`, only the one with `inode` if that is given. */
    open(name: string, bytes: number | undefined, inode: number | undefined): NativeSharedBuffer;
  };
  /** Takes a name away: true if there was one. */
  unlinkSharedMemory(name: string): boolean;
  launchWorker(lane: NativeHostLane, options: LaunchOptions, onEvent: (event: WorkerEvent) => void): void;
  /** Asks the launcher what this kernel can enforce. It takes a few milliseconds. */
  probeSandbox(launcher: string): SandboxProbe;
  /** What of a policy such a kernel can't enforce, whether it is optional or not. */
  sandboxMissing(sandbox: string, probe: SandboxProbe): MissingLayer[];
  /** What a runtime must be granted to start, with what it takes to use the network if it may. */
  runtimeNeeds(executable: string, net: boolean): ProgramNeeds;
  /** What any program must be granted to start. */
  programNeeds(executable: string): ProgramNeeds;
  /** Unlinks the names in shared memory that killed hosts of this user have left. */
  sweepNames(): void;
  /** Takes memory of a closed lane away from its views now, instead of when it is collected. */
  detach(buffer: ArrayBuffer): void;
  /** Drops large blocks that have not been used for a while; true if some are left. */
  trimBlocks(): boolean;
}

let loaded: Native | undefined;

/** The addon. Throws `UnsupportedPlatformError` where there is none. */
export function native(): Native {
  if (loaded === undefined) {
    const path = addonPath();
    try {
      loaded = require(path) as Native;
    } catch (cause) {
      throw new UnsupportedPlatformError(
        `knitting-native has no addon for ${platformName()} (${path}): ${(cause as Error).message}\n${BUILD_ADVICE}`,
        { cause },
      );
    }
  }
  return loaded;
}
