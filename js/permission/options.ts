/** The option `permission`, as a user gives it. */

/** What the workers of a pool may do. Everything that is not granted is denied. */
export interface PermissionOptions {
  /**
   * `"strict"`, the default: only the permissions that are granted here. `"unsafe"`: no restrictions, like
   * `permission: "unsafe"`; the only other field allowed is then `console`.
   */
  mode?: "strict" | "unsafe" | undefined;
  /**
   * Files and folders that tasks may read; a folder includes everything in it. `true`: all files that are not denied.
   * `false` or `[]`: none. Default: the workers' working directory. Relative paths start in that directory, `~/` is
   * the home folder, and symbolic links are followed. Each path must exist. The files that the tasks' modules and the
   * runtime need can always be read; `pool.permissions.needs` lists them.
   */
  read?: boolean | readonly string[] | undefined;
  /** Files and folders that tasks may write, in the form of `read`. Default: the workers' working directory. */
  write?: boolean | readonly string[] | undefined;
  /**
   * Files and folders that tasks may not read, whatever `read` grants. They need not exist. The strict profile denies
   * more: `.env`, `.git`, `.npmrc`, `.docker` and `.secrets` in the working directory; `.ssh`, `.gnupg`, `.aws`,
   * `.azure`, `.config/gcloud` and `.kube` in the home folder; `/proc`, `/sys`, `/dev` and `/etc`. If `read` names a
   * path inside one of these, that one is no longer denied by the profile.
   */
  denyRead?: readonly string[] | undefined;
  /** Files and folders that tasks may not write. The profile of `denyRead` and `node_modules` are denied too. */
  denyWrite?: readonly string[] | undefined;
  /**
   * The network. `true`: everything. `false`, the default, or `[]`: nothing. Only Deno can enforce a list of hosts,
   * such as `"example.com"` or `"127.0.0.1:8080"`.
   */
  net?: boolean | readonly string[] | undefined;
  /** Hosts that tasks may not reach, whatever `net` grants. Only Deno can enforce this rule. */
  denyNet?: readonly string[] | undefined;
  /**
   * Modules from the web, which only Deno can import. `true`: from any host. A list: from those hosts. `false`, the
   * default: none. Modules in files are covered by `read` and by what the tasks need.
   */
  allowImport?: boolean | readonly string[] | undefined;
  /** Environment variables. Default: none. The option `worker.env` takes precedence. */
  env?: EnvironmentPermission | undefined;
  /**
   * Programs that tasks may start, as names on `PATH` or as paths. `true`: any. `false`, the default, or `[]`: none.
   * Where the kernel enforces the policy, a started program has the same access to files and the network as the
   * worker.
   */
  run?: boolean | readonly string[] | undefined;
  /** Programs that tasks may not start, whatever `run` grants. */
  denyRun?: readonly string[] | undefined;
  /**
   * Whether the tasks' output to the console, stdout and stderr reaches this process's. Default `false`; `true` with
   * `mode: "unsafe"` or the option `debug`. The option `worker.stdio` takes precedence over the default.
   */
  console?: boolean | undefined;
  /** Permissions of workers on Node. */
  node?: {
    /** `true`: like `run: true`, if `run` is not set. `false`: no programs, whatever `run` grants. */
    allowChildProcess?: boolean | undefined;
  };
  /** Permissions of workers on Deno. */
  deno?: {
    /** `true`: like `run: true`, if `run` is not set. */
    allowRun?: boolean | undefined;
  };
  /**
   * Whether the kernel enforces the policy for process workers. Default `true`. Behind a
   * `worker.processCommandPrefix` the default is `false`, because the wrapper is expected to enforce it; there `true`
   * applies the policy inside the wrapper, which must allow that.
   */
  kernel?: boolean | undefined;
  /**
   * What happens if a rule can't be enforced. `"error"`: `createPool` throws `PermissionUnsupportedError`. `"warn"`:
   * the process emits one warning for each pool, for threads only about rules that are named here or by
   * `mode: "strict"`. Default: `"error"` for process workers, `"warn"` for threads.
   */
  onUnsupported?: "error" | "warn" | undefined;
}

/** The environment variables that the workers get. */
export interface EnvironmentPermission {
  /** Names of this process's variables that the workers also get. `true`: all. Default: none. */
  allow?: true | readonly string[] | undefined;
  /**
   * Names of variables that the workers don't get, whatever sets them. Programs that a task starts don't get them
   * either.
   */
  deny?: readonly string[] | undefined;
  /**
   * Paths of files with lines such as `NAME=value`. The workers also get these variables. The files are read when the
   * pool is created and must exist. A variable from `allow` overrides one from a file, and a later file overrides an
   * earlier one. This field needs Node 20.12.
   */
  files?: string | readonly string[] | undefined;
}
