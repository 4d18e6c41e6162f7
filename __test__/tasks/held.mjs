/**
 * Tasks that announce where they are and stay there. What they announce is a file in a folder of the test's, KNITTING_TEST_BARRIER;
 * what they start carries the mark of the round in its environment, as this worker does.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const folder = process.env.KNITTING_TEST_BARRIER;

/** A file of its own each time: in containers every worker is process 1. */
export function announce(what) {
  writeFileSync(join(folder, `${what}.${randomUUID()}`), "");
}

/** Blocks this thread until the test says go, if it ever does. */
export function hold() {
  const word = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(join(folder, "go"))) {
    Atomics.wait(word, 0, 0, 5);
  }
}

/** Settles when the test says go. */
export async function letGo() {
  while (!existsSync(join(folder, "go"))) {
    await sleep(5);
  }
}

/** Is busy for ever, and has started a process that would be too. */
export const running = () => {
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  announce("running");
  for (;;) {}
};

/** A result whose encoding takes for ever: half of the reply is written when it announces that. */
export const replying = () => ({
  large: new Uint8Array(4 << 20).fill(7),
  get last() {
    announce("replying");
    hold();
    return "the last of it";
  },
});

export const echo = (value) => value;
