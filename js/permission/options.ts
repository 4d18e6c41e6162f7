/** The option `permission`, as a user says it. */

/** What the workers of a pool may do: what is not listed is denied. */
export interface PermissionOptions {
  /**
   * `"strict"`, the default: what is granted here and nothing else. `"unsafe"`: anything, the same as `permission: "unsafe"`;
   * of the other fields it takes `console` alone.
   */
  mode?: "strict" | "unsafe" | undefined;
  /**
   * Files and folders that tasks may read, folders with all that is in them. `true`: any that is not denied, `false` or `[]`:
   * none. Default: the workers' working directory. Relative paths start there, `~/` is the home folder; symbolic links are followed. Each must
   * exist. What the tasks' modules and the runtime need can be read besides: `pool.permissions.needs` lists it.
   */
  read?: boolean | readonly string[] | undefined;
  /** Files and folders that tasks may write. Of the same form as `read`. Default: the workers' working directory. */
  write?: boolean | readonly string[] | undefined;
  /**
   * Files and folders that tasks may not read, whatever `read` says; they need not exist. Added to those of the strict
   * profile: in the working directory `.env`, `.git`, `.npmrc`, `.docker`, `.secrets`; in the home folder `.ssh`, `.gnupg`,
   * `.aws`, `.azure`, `.config/gcloud`, `.kube`; `/proc`, `/sys`, `/dev`, `/etc`. A path that `read` names inside one of the
   * profile's lifts that one.
   */
  denyRead?: readonly string[] | undefined;
  /** Files and folders that tasks may not write. Added to those of `denyRead`'s profile and `node_modules`. */
  denyWrite?: readonly string[] | undefined;
  /**
   * The network. `true`: all of it. `false`, the default, or `[]`: none. A list of hosts, such as `"example.com"` or
   * `"127.0.0.1:8080"`, is enforced by Deno alone.
   */
  net?: boolean | readonly string[] | undefined;
  /** Hosts that tasks may not reach, whatever `net` says. Enforced by Deno alone. */
  denyNet?: readonly string[] | undefined;
  /**
   * Modules from the web, which Deno alone can import: `true` from any host, a list from those. `false`, the default: none.
   * Modules in files are what `read` and the tasks need.
   */
  allowImport?: boolean | readonly string[] | undefined;
  /** Environment variables. Default: none. The option `worker.env` stands before it. */
  env?: EnvironmentPermission | undefined;
  /**
   * Programs that tasks may start, as names on `PATH` or paths. `true`: any. `false`, the default, or `[]`: none. A program that
   * was started has the same files and network as the worker, where the kernel enforces them.
   */
  run?: boolean | readonly string[] | undefined;
  /** Programs that tasks may not start, whatever `run` says. */
  denyRun?: readonly string[] | undefined;
  /**
   * Whether what tasks write to the console, stdout and stderr reaches this process's. Default `false`; `true` with
   * `mode: "unsafe"` or the option `debug`. The option `worker.stdio` stands before the default.
   */
  console?: boolean | undefined;
  /** Of workers on Node. */
  node?: {
    /** `true`: like `run: true` where `run` says nothing. `false`: no programs, whatever `run` says. */
    allowChildProcess?: boolean | undefined;
  };
  /** Of workers on Deno. */
  deno?: {
    /** `true`: like `run: true` where `run` says nothing. */
    allowRun?: boolean | undefined;
  };
  /**
   * Whether the kernel enforces this for process workers. Default `true`; behind a `worker.processCommandPrefix` `false`: that
   * wrapper is taken for the one who does. `true` there applies it inside the wrapper, which must let it.
   */
  kernel?: boolean | undefined;
  /**
   * What a rule is that nobody enforces. `"error"`: `createPool` throws `PermissionUnsupportedError`. `"warn"`: one warning of the
   * process for each pool. Default: `"error"` for process workers, `"warn"` for threads.
   */
  onUnsupported?: "error" | "warn" | undefined;
}

/** Which environment variables the workers have. */
export interface EnvironmentPermission {
  /** Names of this process's variables that they get too. `true`: all. Default: none. */
  allow?: true | readonly string[] | undefined;
  /** Names of variables that they don't get, wherever they come from; also of those that a process is given to start. */
  deny?: readonly string[] | undefined;
  /**
   * Files of lines such as `NAME=value`, whose variables they get besides; read when the pool is created. What `allow` brings
   * wins; of two files the later does. They must exist, and it takes Node 20.12.
   */
  files?: string | readonly string[] | undefined;
}
