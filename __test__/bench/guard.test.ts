/** The judge of the guard: what it lets pass, and what it does not. */
import { expect, test } from "vitest";
// @ts-expect-error the benchmark is plain JavaScript
import { judge } from "../../bench/judge.mjs";

/** Rounds in which the median call took so many microseconds. */
const rounds = (...micros: (number | undefined)[]) => micros.map((p50) => ({ calls: 100, p50 }));
const others = rounds(10, 30, 12);

test("a worker that is fast enough in its best round passes", () => {
  expect(judge(rounds(50, 5, 70), others, 1.5)).toEqual({ ratio: 2 });
  expect(judge(rounds(10, 10, 10), others, 1)).toEqual({ ratio: 1 });
});

test("a worker that has become several times slower fails", () => {
  expect(judge(rounds(20, 25, 40), others, 1.5)).toEqual({
    ratio: 0.5,
    problem: "the ratio is 0.50, below 1.5",
  });
});

test("what was not measured fails, on either side", () => {
  const nothing: [unknown, RegExp][] = [
    [undefined, /^0 rounds/],
    [[], /^0 rounds/],
    [rounds(1, 1), /^2 rounds/],
    [rounds(1, Number.NaN, 1), /took NaN us/],
    [rounds(1, undefined, 1), /took undefined us/],
    [rounds(1, 0, 1), /took 0 us/],
    [rounds(1, Number.POSITIVE_INFINITY, 1), /took Infinity us/],
    [[...rounds(1, 1), { calls: 0, p50: 1 }], /made no call/],
    [[...rounds(1, 1), { p50: 1 }], /made no call/],
    [[...rounds(1, 1, 1), { failure: "no answer" }], /^no answer$/],
  ];
  for (const [turns, problem] of nothing) {
    expect(judge(turns, others, 0.001).problem).toMatch(problem);
    expect(judge(others, turns, 0.001).problem).toMatch(problem);
  }
});

test("a row without a bound fails", () => {
  for (const bound of [undefined, Number.NaN]) {
    expect(judge(others, others, bound).problem).toMatch(/below/);
  }
});
