/**
 * A lane at rest: a timer looks after memory that can be given back, and without such memory there is none. The host is
 * a program of its own, `fixtures/hosts/resting-host.mjs`.
 */
import { expect, test } from "vitest";
import { kinds, on } from "../support/kinds";
import { Host } from "../support/processes";

/** Deno and Bun have no hooks for timers. */
const inNode = kinds.filter(({ isWrapped, name }) => !isWrapped && !/deno|bun/.test(name));

on(inNode, ({ worker }) => {
  test("only what may be given back leaves a timer, on the side that may have to give it back", async () => {
    const host = new Host("resting-host.mjs", JSON.stringify(worker));
    expect(await host.exit(), host.stderr).toEqual({ code: 0, signal: null });
    expect(JSON.parse(host.stdout)).toEqual({
      small: { host: false, worker: false },
      largeArgument: { host: false, worker: true },
      largeResult: { host: true, worker: false },
      grownByArgument: { host: true, worker: true },
      grownByResult: { host: true, worker: true },
      // The host takes them in parts, and the worker's arena holds the last of them until it says so.
      held: { host: true, worker: false },
    });
  });
});
