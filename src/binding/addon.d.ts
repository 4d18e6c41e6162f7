// Generated from src/binding by `node scripts/addon-types.mjs`. Do not edit.

/** The hot call of a lane, see `exchangeFunction`. */
export type Exchange = ReturnType<HostLane["exchangeFunction"]>;

/** The call of a lane that finds room for a payload, see `reserveFunction`. */
export type Reserve = ReturnType<HostLane["reserveFunction"]>;

/** What both ends of a lane have. */
export type Lane = Pick<HostLane, Extract<keyof HostLane, keyof WorkerLane>>;

/** The host's end of a lane, and the worker behind it. */
export declare class HostLane {
  /**
   * Creates the memory of a lane, with arenas of `arenaBytes`, under a name that begins with `namePrefix`
   * if that is given. `wake` is called once something arrives while the lane sleeps. Throws if the system
   * lacks memory.
   */
  constructor(arenaBytes: number, namePrefix: string | undefined, isThread: boolean, isNode: boolean, wake: () => void);
  /**
   * Process id of the worker, or of its wrapper until the worker in it is known: what the events `spawned` and
   * `attached` say, as soon as it is so. An answer of the worker may overtake its events.
   */
  get pid(): number | null;
  /** What the worker uses now, as far as that can be seen. A process that has not attached is not the worker. */
  usage(): Usage;
  /**
   * Bytes of shared memory that the worker thread's JavaScript sees, which its engine takes for the thread's
   * own; 0 for a process.
   */
  get sharedBytes(): number;
  /** The bytes to which the worker thread's heap may grow, if nobody has asked for so many. */
  get heapLimit(): number | null;
  /**
   * Watches the memory of the worker process, every `everyMillis`, and kills it if it uses far more than
   * `bytes`. With `bounded` the kernel bounds it too. The event `watched` follows.
   */
  watchMemory(bytes: number, everyMillis: number, bounded: boolean): void;
  /** The worker has attached: finds its process, and unlinks the name of its memory unless that is to stay. */
  attached(keepName: boolean): void;
  /**
   * The hot call of this lane. It publishes the first `staged` slots of staging and brings what has
   * arrived into staging: the number of slots, -1 if the lane is closed, -2 if the worker did what an
   * honest one never does (see `violation`). With nothing there it spins for at most `spinNanos`.
   */
  exchangeFunction(): (staged: number, spinNanos: number) => number;
  /**
   * The call of this lane that finds room for a payload: its offset in the outgoing arena, -1 without room
   * for the moment, -2 if there is never so much, -3 if the system has no memory for it or the lane is
   * closed.
   */
  reserveFunction(): (bytes: number) => number;
  /** Staging: private memory in which slots go there and back, laid out as the `STAGING_` constants say. */
  staging(): ArrayBuffer;
  /** The part of the outgoing arena that may be in use. It grows: the word `STAGING_WINDOW` tells its size. */
  outgoing(): ArrayBuffer;
  /**
   * A private copy of a payload that `exchange` has left in the arena. Throws if this process has no memory
   * for it. If the segment's memory is gone, `violation` says so.
   */
  copyOut(offset: number, bytes: number): ArrayBuffer;
  /** Goes to sleep: `wake` is called once something arrives. False if something has arrived already. */
  arm(): boolean;
  /** Says whether a sleeping lane is also woken when there is room. */
  wantRoom(wanted: boolean): void;
  /** Sequence number of the first submission that was not started, as far as the worker says so. */
  started(): number;
  /**
   * True while the worker runs tasks one after another, as far as it says so: the last one that it has
   * started has not returned.
   */
  isRunning(): boolean;
  /** Tells the worker that nobody waits for a call any more. */
  abort(call: number): void;
  /**
   * Hands memory of the user's over to the worker, as what values refer to by `id`. False if that has to
   * wait until the worker has taken something.
   */
  give(id: number, buffer: SharedBuffer): boolean;
  /** Tells the worker that no value refers to `id` any more. False if that has to wait. */
  forget(id: number): boolean;
  /**
   * Takes the memory of the first `bytes` of the outgoing arena from the system now. Throws if the system
   * has not so much.
   */
  prepare(bytes: number): void;
  /**
   * Room for `bytes` in the outgoing arena, to be filled at leisure: its offset, or one of the codes of
   * `reserve`. It stays until a slot that brings it to the worker is released, or until `free`.
   */
  allocate(bytes: number): number;
  /** The bytes of such room. They stay where they are when the lane is closed, as private memory. */
  arenaBuffer(offset: number, bytes: number): ArrayBuffer;
  /** Frees the room at `offset`, from which nothing was sent. */
  free(offset: number): void;
  /**
   * Gives idle memory of the outgoing arena back to the system, all above the first `keep` bytes. True if
   * the worker still holds some. If the worker has done what an honest one never does, the next `exchange`
   * says so.
   */
  trim(keep: number): boolean;
  /** What the worker did wrong, as a sentence, if it did: `exchange`, `copyOut` and `trim` find out. */
  violation(): string | null;
  /**
   * Limits what the worker may send to so many messages in a second. Lines of its output are counted where
   * they are read, if the worker is started after this: see the event `flooded`.
   */
  limitMessages(perSecond: number): void;
  /**
   * Counts messages that have come another way, and were sent within the last `overMillis`. Returns what is
   * too much.
   */
  countMessages(count: number, overMillis: number): Flood | null;
  /**
   * A token with which one thread of this process can attach as the worker. `onEvent` hears of what the
   * thread writes, and after `threadEnded` that it was all. Throws if the system lacks something.
   */
  issueThreadToken(stdio: WorkerStdio, onEvent: (event: WorkerEvent) => void): number;
  /**
   * The worker thread has ended, or could not be started: passes on what it wrote, and the event `exited`
   * follows.
   */
  threadEnded(): void;
  /** Tells the worker to end within `graceMillis`. A process is killed after that. */
  stop(graceMillis: number): void;
  /** The worker's end of the bell has been closed for a while, and the worker lives: `exchange` says so from now on. */
  condemn(): void;
  /**
   * What was submitted under a sequence number that the worker has not started. Throws if it has, or if
   * the memory is gone.
   */
  recover(sequence: number): Recovered;
  /**
   * Takes back what was submitted under a sequence number, if the worker must claim it and has not. Null if it has.
   * Throws without memory for the payload: the submission then stays where it is.
   */
  takeBack(sequence: number): Recovered | null;
  /** Lets go of everything, and kills the worker process if there is one. */
  close(): void;
}

/** A call that its worker had not started. */
export interface Recovered {
  /** What the value is: one of the `KIND_` constants of the layout. */
  kind: number;
  /** Class of a binary value. */
  view: number;
  /** The value's bytes. */
  content: ArrayBuffer;
}

/** More messages than a worker may send in such a time. */
export interface Flood {
  /** How many it has sent. */
  messages: number;
  /** Within how many seconds, at least 1. */
  seconds: number;
}

/** Takes memory of a closed lane away from its views now, instead of when they are collected. */
export declare function detach(buffer: ArrayBuffer): void;

/** What a worker uses. */
export interface Usage {
  /** Bytes of memory of its own. Of a thread: as it has said last. */
  memoryBytes?: number | undefined;
  /** Milliseconds of processor time. */
  cpuMillis?: number | undefined;
}

/** Exit status of a worker that refused to attach: starting it again would end the same way. */
export declare const EXIT_REFUSED: number;

/** What becomes of a worker's output: the host's own streams get it, it comes as events, or it is dropped. */
export type WorkerStdio = "inherit" | "pipe" | "ignore";

/** What a worker process is started with. */
export interface LaunchRequest {
  /** Path of the launcher. */
  launcher: string;
  /** What stands before the command; empty without a wrapper. */
  wrapper: string[];
  /** Runtime, its flags, worker entry. */
  command: string[];
  /** What the worker may do: a `SandboxSpec` of `src/sandbox/spec.rs` as JSON. Everything without it. */
  sandbox?: string | undefined;
  /** The whole environment, without the boot variables. */
  env: [string, string][];
  /** Where it runs, if not where the host does. */
  cwd?: string | undefined;
  /** What becomes of its output. */
  stdio: WorkerStdio;
  /** Niceness, from -20 to 19, if not the host's. */
  nice?: number | undefined;
  /** Bytes of stack that the main thread may use, if not as many as the host's. */
  stackBytes?: number | undefined;
  /** The folder of the cgroup that it is put into, if not the host's. */
  cgroup?: string | undefined;
  /** What the worker is to run, as the worker program reads it. */
  program: string;
}

/**
 * What happened to a worker process, by `kind`:
 *
 * - `spawned`: its command runs.
 * - `attached`: the worker has its memory and loads its tasks.
 * - `watched`: its memory is watched from now on.
 * - `exceeded`: it uses more memory than it may.
 * - `output`: it wrote something.
 * - `flooded`: it has written more lines than it may, and is not read any more until it ends.
 * - `outlives`: its wrapper has ended or was killed, and the worker can't be killed from here.
 * - `failed`: it could not be started.
 * - `exited`: it has ended.
 */
export type WorkerEvent =
  | {
      kind: "spawned";
      /** The command's process id: the worker's, or its wrapper's. */
      pid: number;
    }
  | {
      kind: "attached";
      /** The worker's own process id, if it can be found. */
      pid?: number;
    }
  | {
      kind: "watched";
      /** The bytes that it uses; nothing if it can't be seen. */
      memory?: number;
    }
  | {
      kind: "exceeded";
      /** The bytes that it uses. */
      memory: number;
      /** True if it is far too much. The worker is killed then. */
      isFar: boolean;
    }
  | {
      kind: "output";
      /** True if it wrote to stderr. */
      isStderr: boolean;
      /** Whole lines. */
      lines: string;
    }
  | {
      kind: "flooded";
      /** How many messages it has sent. */
      messages: number;
      /** Within how many seconds, at least 1. */
      seconds: number;
    }
  | { kind: "outlives" }
  | {
      kind: "failed";
      /** Why, as a sentence. */
      message: string;
      /** True if another attempt may succeed. */
      retryable: boolean;
    }
  | {
      kind: "exited";
      /** Exit status, if it exited. */
      code?: number;
      /** Name of the signal, if one killed it. */
      signal?: string;
      /** The last of what it wrote to stderr. */
      stderrTail: string;
      /** It was given up: something of it is still there. */
      livesOn: boolean;
    };

/**
 * Starts a process that works behind `lane`; `onEvent` hears of it. Throws if the boot payload or the
 * sandbox's description is too long, if the system lacks something, and if the lane has a worker already.
 */
export declare function launchWorker(lane: HostLane, request: LaunchRequest, onEvent: (event: WorkerEvent) => void): void;

/** Unlinks the names in shared memory that killed hosts of this user have left. */
export declare function sweepNames(): void;

/** Drops large blocks that have not been used for a while. True if some are left. */
export declare function trimBlocks(): boolean;

/**
 * Passes on what the workers have written so far. Waits for the host's streams to take it, for a while as long
 * as they take something. The main thread's environment ends without its hooks on `process.exit()`.
 */
export declare function flushOutput(): void;

/** What a kernel can enforce. */
export interface SandboxProbe {
  /** Version of Landlock's interface; 0 without Landlock. */
  landlock: number;
  /** Why there can be no private mounts, if there can't. */
  mounts?: string;
  /** True if there is seccomp. */
  seccomp: boolean;
}

/** A part of what the kernel enforces. What each is: see `Layer` in `src/sandbox/spec.rs`. */
export type KernelLayer = "masks" | "metadata" | "files" | "tcp" | "signals" | "abstractSockets" | "syscalls";

/** A layer of a sandbox that can't be enforced. */
export interface MissingLayer {
  /** Which layer. */
  layer: KernelLayer;
  /** Why, as the end of a sentence. */
  reason: string;
}

/**
 * What a program must be granted to start. All paths but `names` are there and have no symbolic links;
 * `/proc/self` means the worker.
 */
export interface ProgramNeeds {
  /** Files and trees that it reads. */
  read: string[];
  /** Files that it executes, itself among them. */
  execute: string[];
  /** Devices that it reads and writes. */
  devices: string[];
  /** Symbolic links on the way to these files, and names under which it looks for files that are not there. */
  names: string[];
}

/**
 * Begins to look up, in threads of their own, what `runtimeNeeds` and `probeSandbox` will be asked: the first for
 * `executable`, the second for `launcher`, which is left out where that is known already.
 */
export declare function lookAhead(executable: string, launcher?: string | undefined | null): void;

/** Asks the launcher at this path what this kernel can enforce. It takes a few milliseconds. */
export declare function probeSandbox(launcher: string): SandboxProbe;

/**
 * The layers of a sandbox that such a kernel can't enforce, whether they are optional or not. `sandbox` is a
 * `SandboxSpec` as JSON.
 */
export declare function sandboxMissing(sandbox: string, probe: SandboxProbe): MissingLayer[];

/** What a runtime must be granted to start, with what it takes to use the network if it may. */
export declare function runtimeNeeds(executable: string, net: boolean): ProgramNeeds;

/** What any program must be granted to start. */
export declare function programNeeds(executable: string): ProgramNeeds;

/**
 * True if there is a symbolic link at a path, false if there is something else. Nothing if there is nothing or it
 * can't be seen. `lstatSync` of Node says the same in four times the time, and a policy asks about dozens of paths.
 */
export declare function isLink(path: string): boolean | null;

/** The paths of the symbolic links in a folder of packages and in its scopes; none if it can't be read. */
export declare function packageLinks(folder: string): string[];

/** Memory that is mapped until it is closed, and until no buffer over it is left. */
export declare class SharedBuffer {
  private constructor();
  /**
   * Creates memory of `bytes`, under `name` if one is given. Throws an error whose `code` is "exists" if
   * the name is somebody else's already, and "refused" if the system has not so much.
   */
  static create(bytes: number, name: string | undefined): SharedBuffer;
  /**
   * Opens the memory that has this name: its first `bytes`, or all of it; with `inode` only if it is that
   * very memory. Throws an error whose `code` is "missing", "size", "foreign" or "refused".
   */
  static open(name: string, bytes: number | undefined, inode: number | undefined): SharedBuffer;
  /** Its size in bytes. */
  get byteLength(): number;
  /** What tells it from other memory that has had its name. */
  get inode(): number;
  /** True once what was mapped is gone and private zeros are in its place. */
  get lost(): boolean;
  /** `bytes` of it from byte `at`: the same memory. */
  buffer(at: number, bytes: number): ArrayBuffer;
  /** Lets go of it. It stays mapped for the buffers that are left. */
  close(): void;
}

/** Takes a name away. False if there was none. The memory stays for those who have it open. */
export declare function unlinkSharedMemory(name: string): boolean;

/** The worker's end of a lane, in a thread or in a process of its own. */
export declare class WorkerLane {
  private constructor();
  /**
   * Attaches this thread to the memory that `HostLane.issueThreadToken` has given the token for. `wake` is
   * called once something arrives while the lane sleeps. Throws if the token has been used already.
   */
  static attachThread(token: number, wake: () => void): WorkerLane;
  /**
   * Attaches this process to the memory that its boot payload names. `wake` is called once something
   * arrives while the lane sleeps. Throws, with a sentence for stderr, if this is not the process that the
   * payload is for.
   */
  static attachProcess(isNode: boolean, wake: () => void): WorkerLane;
  /** What the worker is to run, from the boot payload. Empty in a thread, which is told otherwise. */
  get program(): string;
  /**
   * The hot call of this lane. It publishes the first `staged` slots of staging and brings what has
   * arrived into staging: the number of slots, -1 if the lane is closed, -2 if the memory is gone. With
   * nothing there it spins for at most `spinNanos`; where that is negative it only publishes, so that what
   * the last exchange has brought stays.
   */
  exchangeFunction(): (staged: number, spinNanos: number) => number;
  /**
   * The call of this lane that finds room for a payload: its offset in the outgoing arena, -1 without room
   * for the moment, -2 if there is never so much, -3 if the system has no memory for it or the lane is
   * closed.
   */
  reserveFunction(): (bytes: number) => number;
  /** Staging: private memory in which slots go there and back, laid out as the `STAGING_` constants say. */
  staging(): ArrayBuffer;
  /** The part of the outgoing arena that may be in use. It grows: the word `STAGING_WINDOW` tells its size. */
  outgoing(): ArrayBuffer;
  /** The first `bytes` of the incoming arena. */
  incoming(bytes: number): ArrayBuffer;
  /** The segment's header, words and submission ring, where the worker marks what it has claimed and started. */
  words(): ArrayBuffer;
  /** A private copy of a payload in the incoming arena. */
  copyOut(offset: number, bytes: number): ArrayBuffer;
  /** Goes to sleep: `wake` is called once something arrives. False if something has arrived already. */
  arm(): boolean;
  /** Says whether a sleeping lane is also woken when there is room. */
  wantRoom(wanted: boolean): void;
  /**
   * Gives idle memory of the outgoing arena back to the system, all above the first `keep` bytes. True if
   * the host still holds some.
   */
  trim(keep: number): boolean;
  /** The user's memory that values refer to by `id`, if the host has handed it over. */
  given(id: number): SharedBuffer | null;
  /**
   * Writes `bytes`, from `offset` on, to this thread's stdout or stderr. Returns how many were taken; with no
   * room for any it waits for a few milliseconds.
   */
  writeOutput(isStderr: boolean, bytes: Uint8Array, offset: number): number;
  /** Tells the host how many bytes of memory this thread uses, the shared memory that it sees included. */
  reportMemory(bytes: number): void;
  /** Tells the host to how many bytes this thread's heap may grow, because nobody has asked for so many. */
  reportHeapLimit(bytes: number): void;
  /** True once the host wants this worker to end. */
  stopped(): boolean;
}

/** Has this process's own stdout and stderr make their writers wait, whatever the runtime has set. */
export declare function blockOwnStreams(): void;
