/** Commands in a mount namespace of their own, in which a test can take away what the system has. */
import { spawnSync } from "node:child_process";

/** Runs a shell's command line there first, and then `command`. */
export const inNamespace = (first: string, command: readonly string[]): string[] => [
  ...["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"],
  ...[`${first} && exec "$@"`, "sh", ...command],
];

const [unshare, ...rest] = inNamespace("mount -t tmpfs tmpfs /mnt", ["true"]);
const { status, stderr } = spawnSync(unshare, rest, { encoding: "utf8" });

/** Why there are no such namespaces here, or undefined. */
export const noNamespace: string | undefined =
  status === 0 ? undefined : `no mount namespace: ${stderr?.trim()}`;
