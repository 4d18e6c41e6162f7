/** Files for which the tasks of `fixtures/tasks/queue.mjs` and `supervised.mjs` wait, and how promises settle. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { within } from "./processes";

/** Returns a function that names another file each time, in a folder that is removed after the tests. */
export function gates(): () => string {
  const folder = mkdtempSync(join(tmpdir(), "knitting-gates-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  return () => join(folder, `${files++}`);
}

/** Opens a gate: the tasks that wait for it go on. */
export const open = (gate: string) => writeFileSync(gate, "");

/** The error with which a promise rejects; undefined if it resolves. */
export const failure = (promise: Promise<unknown>): Promise<unknown> =>
  within(
    promise.then(
      () => undefined,
      (error) => error,
    ),
  );

/** How often a promise has settled so far, and how. Only a promise with two settlements could count more than one. */
export interface Outcome {
  settled: number;
  value?: unknown;
  error?: unknown;
}

export function outcome(promise: Promise<unknown>): Outcome {
  const found: Outcome = { settled: 0 };
  promise.then(
    (value) => {
      found.settled++;
      found.value = value;
    },
    (error) => {
      found.settled++;
      found.error = error;
    },
  );
  return found;
}
