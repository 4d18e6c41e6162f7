/**
 * Containers for the tests: podman with its own configuration, storage and image.
 *
 * ```text
 *   /tmp/knitting-podman-<user>-<checkout>/    made once, found again by the next run
 *     containers.conf  storage.conf            named by the variables in `environment`,
 *                                              so that a program can call a plain `podman`
 *     storage/  run/  tmp/
 *     ready.json                               what it was made from; made again when that has changed,
 *                                              or after a reboot
 * ```
 *
 * The folder is not in the checkout: podman refuses a run folder with a path of more than 50 characters, and a test
 * that mounts the checkout into a container must not mount the containers with it. There is no registry: the image is
 * the root file system that `node` needs and nothing more.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes, ensureRuntimes } from "../../scripts/runtimes.mjs";
import { scope } from "./repetitions";

export interface Containers {
  /** False if a tool is missing. Tests are then skipped with `reason`; in CI that is an error instead. */
  readonly available: boolean;
  readonly reason: string;
  /** Path of the program. */
  readonly podman: string;
  /** The image has Node 24 as `node` on its PATH. */
  readonly image: string;
  /** Variables that a program which calls podman needs in addition to its environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Change this number when the steps below change. */
const RECIPE = 3;
const IMAGE = "localhost/knitting-test:latest";
const CLIENT_MILLIS = 120_000;

const root = join(__dirname, "..", "..");
const uid = userInfo().uid;
const checkout = createHash("sha256").update(realpathSync(root)).digest("hex").slice(0, 8);
const base = join(realpathSync(tmpdir()), `knitting-podman-${uid}-${checkout}`);
const environment = {
  CONTAINERS_CONF: join(base, "containers.conf"),
  CONTAINERS_STORAGE_CONF: join(base, "storage.conf"),
};

let made: Containers | undefined;

/** Makes what is missing. Throws if the tools exist and don't work. */
export function ensureContainers(): Containers {
  made ??= make();
  return made;
}

/** The path of a program, if it is on PATH or in a system folder. */
export function programPath(name: string): string | undefined {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Why tests that need these programs can't run here; undefined if they can. In CI a missing program is an error. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.filter((name) => programPath(name) === undefined);
  if (absent.length === 0) {
    return undefined;
  }
  return absentIn(`not installed: ${absent.join(", ")}`);
}

function absentIn(reason: string): string {
  if (process.env.CI) {
    throw new Error(`CI must run every test, and this machine can't: ${reason}`);
  }
  return reason;
}

function make(): Containers {
  const left = scope === "fast" ? "left out by --fast" : undefined;
  const reason = left ?? missing("podman", "runc") ?? missingForThisUser();
  if (reason !== undefined) {
    return { available: false, reason, podman: "podman", image: IMAGE, environment };
  }
  ownFolder();
  const wanted = JSON.stringify({
    recipe: RECIPE,
    node: ensureNodes()[24],
    // podman takes containers that ran before a reboot for running ones.
    boot: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
  });
  const ready = join(base, "ready.json");
  const found = existsSync(ready) ? readFileSync(ready, "utf8") : undefined;
  if (found !== wanted) {
    if (found !== undefined) {
      dismantleContainers();
      ownFolder();
    }
    configure();
    importImage();
    // This file is written last and in one step, so that an interrupted set-up is made again.
    writeFileSync(`${ready}.new`, wanted);
    renameSync(`${ready}.new`, ready);
  }
  return { available: true, reason: "", podman: "podman", image: IMAGE, environment };
}

/** Without root, podman maps users that the system has reserved for this user. */
function missingForThisUser(): string | undefined {
  if (uid === 0) {
    return undefined;
  }
  const name = userInfo().username;
  const hasRange = ["/etc/subuid", "/etc/subgid"].every((file) => {
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    return lines.some((line) => line.startsWith(`${name}:`) || line.startsWith(`${uid}:`));
  });
  const helper = missing("newuidmap", "newgidmap");
  return helper ?? (hasRange ? undefined : absentIn(`/etc/subuid and /etc/subgid have no range for ${name}`));
}

/** The name can be guessed, so a folder that another user has made is not trusted. */
function ownFolder(): void {
  mkdirSync(base, { mode: 0o700, recursive: true });
  const { uid: owner, mode } = lstatSync(base);
  if (owner !== uid || !lstatSync(base).isDirectory() || (mode & 0o077) !== 0) {
    throw new Error(`${base} is not a folder that this user alone can enter: remove it`);
  }
}

function configure(): void {
  // No registry, no network, no daemon: everything that a test's container needs is here. The limits are those that a
  // container may have if the machine is itself a container. A worker is process 1 of its container and ignores
  // SIGTERM: a plain `podman rm --force`, as the seed uses it, would wait 10 seconds before it kills. File locks keep
  // podman's own memory out of /dev/shm.
  writeFileSync(
    environment.CONTAINERS_CONF,
    `[containers]
default_ulimits = ["nofile=1024:2048", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
stop_timeout = 1
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "${join(base, "tmp")}"
`,
  );
  writeFileSync(
    environment.CONTAINERS_STORAGE_CONF,
    `[storage]
driver = "${hasOverlay() ? "overlay" : "vfs"}"
graphroot = "${join(base, "storage")}"
runroot = "${join(base, "run")}"
`,
  );
}

/** A container on vfs is a copy of the image, which works everywhere but starts more slowly. */
function hasOverlay(): boolean {
  return /\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"));
}

/**
 * The image: Node 24, the libraries that each runtime is linked with, and the folders that programs expect. It has no
 * configuration of the dynamic linker and none of OpenSSL, as the smallest images that people use.
 */
function importImage(): void {
  const node = ensureNodes()[24];
  const staged = join(base, "root");
  rmSync(staged, { recursive: true, force: true });
  const put = (source: string, path: string) => {
    mkdirSync(dirname(join(staged, path)), { recursive: true });
    symlinkSync(source, join(staged, path));
  };
  put(node, "usr/local/bin/node");
  const programs: string[] = Object.values(ensureRuntimes());
  const libraries = programs.flatMap((program) => output("ldd", [program]).match(/(?<=\s)\/\S+/g) ?? []);
  for (const library of new Set(libraries)) {
    put(realpathSync(library), library);
  }
  for (const folder of ["tmp", "etc", "dev", "proc", "sys", "run", "root", "var/tmp"]) {
    mkdirSync(join(staged, folder), { recursive: true });
  }
  chmodSync(join(staged, "tmp"), 0o1777);
  writeFileSync(join(staged, "etc/passwd"), "root:x:0:0:root:/root:/\n");
  writeFileSync(join(staged, "etc/group"), "root:x:0:\n");
  const archive = join(base, "root.tar");
  // tar follows the links, so the files need not be copied before.
  output("tar", ["-chf", archive, "--owner=0", "--group=0", "--numeric-owner", "-C", staged, "."]);
  podman("import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", archive, IMAGE);
  rmSync(archive);
  rmSync(staged, { recursive: true });
}

/** Ids of the running containers, all or those with a label `knitting-test=<value>`. */
export function runningContainers(label?: string): string[] {
  return podman("ps", "--quiet", "--no-trunc", ...filter(label))
    .split("\n")
    .filter(Boolean);
}

/** Ids of the containers in any state, all or those with a label `knitting-test=<value>`. */
export function allContainers(label?: string): string[] {
  return podman("ps", "--all", "--quiet", "--no-trunc", ...filter(label))
    .split("\n")
    .filter(Boolean);
}

function filter(label?: string): string[] {
  return label === undefined ? [] : ["--filter", `label=knitting-test=${label}`];
}

/** Kills and removes containers: those with a label `knitting-test=<value>`, or those with these ids. */
export function removeContainers(which: string | readonly string[]): void {
  const ids = typeof which === "string" ? allContainers(which) : which;
  if (ids.length > 0) {
    podman("rm", "--force", "--ignore", "--time", "0", ...ids);
  }
}

/** Kills a container from outside, as an administrator would. */
export function killContainer(id: string): void {
  podman("kill", "--signal", "KILL", id);
}

/** The process id of a container's first process on the host. */
export function containerProcess(id: string): number {
  return Number(podman("inspect", "--format", "{{.State.Pid}}", id));
}

/** Removes everything that was made here, the image too. */
export function dismantleContainers(): void {
  if (!existsSync(base)) {
    return;
  }
  client(["rm", "--all", "--force", "--time", "0"]);
  if (uid === 0) {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "")
      .filter((path) => path.startsWith(`${base}/`));
    for (const path of mounts.reverse()) {
      spawnSync("umount", ["--lazy", path]);
    }
  } else {
    // Files that containers have written belong to users for which only podman can act.
    client(["unshare", "rm", "-rf", join(base, "storage"), join(base, "run")]);
    client(["system", "migrate"]);
  }
  rmSync(base, { recursive: true, force: true });
  made = undefined;
}

/** Runs podman and returns its standard output. */
export function podman(...argv: string[]): string {
  const { status, stdout, stderr, error } = client(argv);
  if (status !== 0) {
    throw new Error(`podman ${argv.join(" ")}: ${error?.message ?? `exit status ${status}: ${stderr}`}`);
  }
  return stdout.trim();
}

function client(argv: string[]) {
  return spawnSync("podman", argv, {
    env: { ...process.env, ...environment },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: CLIENT_MILLIS,
    killSignal: "SIGKILL",
  });
}

function output(program: string, argv: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, argv, { encoding: "utf8" });
  if (status !== 0) {
    throw new Error(`${program} ${argv.join(" ")}: ${error?.message ?? `exit status ${status}: ${stderr}`}`);
  }
  return stdout;
}
