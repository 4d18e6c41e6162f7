/** The assumptions of all other tests with containers. */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  allContainers,
  containerProcess,
  ensureContainers,
  killContainer,
  removeContainers,
  runningContainers,
} from "../support/containers";
import { isAlive, until } from "../support/processes";

const { available, reason, podman, image, environment } = ensureContainers();
const env = { ...process.env, ...environment };

/** A plain `podman`, as a user's program calls it. */
function run(...argv: string[]) {
  return spawnSync(podman, ["run", ...argv], {
    env,
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
}

test("a container runs Node 24 and sees the host's /dev/shm", (context) => {
  context.skip(!available, reason);
  const name = `/dev/shm/knitting-test-${randomUUID()}`;
  writeFileSync(name, "");
  try {
    const code = `console.log(process.version, require("node:fs").existsSync(${JSON.stringify(name)}))`;
    const { status, stdout, stderr } = run("--rm", "--ipc=host", image, "node", "-e", code);
    expect({ status, stdout, stderr }).toMatchObject({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^v24\.\S+ true\n$/);
  } finally {
    rmSync(name);
  }
});

test("a container is found by its label, killed from outside, and removed", async (context) => {
  context.skip(!available, reason);
  const label = randomUUID();
  const started = run(
    "--detach",
    "--label",
    `knitting-test=${label}`,
    image,
    "node",
    "-e",
    "setInterval(() => {}, 1000)",
  );
  expect(started, started.stderr).toMatchObject({ status: 0 });
  try {
    const [id] = runningContainers(label);
    expect(started.stdout.trim()).toBe(id);
    const pid = containerProcess(id);
    expect(isAlive(pid)).toBe(true);
    killContainer(id);
    await until("its process has ended", () => !isAlive(pid));
    await until("it is no longer listed", () => runningContainers(label).length === 0);
    expect(allContainers(label)).toEqual([id]);
  } finally {
    removeContainers(label);
  }
  expect(allContainers(label)).toEqual([]);
});
