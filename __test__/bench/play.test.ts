/**
 * How the benchmark lets contenders play, and what it makes of their turns. The contenders here are invented: nothing is
 * measured.
 */
import { describe, expect, test } from "vitest";
// @ts-expect-error the benchmark is plain JavaScript
import { play } from "../../bench/play.mjs";
// @ts-expect-error the benchmark is plain JavaScript
import { afterSilence, inBatches, sequential, sequentialFailures } from "../../bench/rows/loops.mjs";
// @ts-expect-error the benchmark is plain JavaScript
import { summarize } from "../../bench/summary.mjs";

interface Context {
  round: number;
}
type Tasks = Record<string, (argument: never) => Promise<unknown>>;
interface Cell {
  name: string;
  figure?: number;
  ratio?: { median: number; low: number; high: number };
  worst?: { figure: number; ratio: number };
  failure?: string;
  reason?: string;
}

/** A contender whose turns take a known time, by its name. */
const contender = (name: string, more: object = {}) => ({
  name,
  kind: "thread",
  starts: 0,
  async start() {
    this.starts++;
  },
  async stop() {},
  ...more,
});

const row = (
  id: string,
  turn: (player: { name: string }, context: Context) => object,
  more: object = {},
) => ({
  id,
  title: id,
  better: "lower",
  standing: true,
  baseline: () => "plain",
  turn,
  ...more,
});

const LENGTHS = { rounds: 2, warmRounds: 0, millis: 1, warmMillis: 1, patienceMillis: 200 };

const cellsOf = (
  row: object,
  players: object[],
  played: { figures: object; reasons: object }[],
  id: string,
) =>
  summarize(
    row,
    players,
    played.map(({ figures, reasons }) => ({
      figures: figures[id as keyof typeof figures],
      reasons: reasons[id as keyof typeof reasons],
    })),
  ) as Cell[];

describe("play", () => {
  test("who throws or is silent has failed in that row, starts anew for the next, and the others play on", async () => {
    const quick = contender("quick");
    const players = [contender("plain"), quick, contender("wrong"), contender("silent")];
    const rows = [
      row("first", ({ name }) => {
        if (name === "wrong") {
          throw new Error("2 is not 3\nat some place");
        }
        return name === "silent" ? new Promise(() => {}) : { calls: 10, micros: name === "quick" ? 50 : 100 };
      }),
      row("second", () => ({ calls: 1, micros: 7 })),
    ];
    const played = await play({ rows, contenders: players, ...LENGTHS }, () => {});
    const [plain, fast, wrong, silent] = cellsOf(rows[0] as object, players, [played], "first");
    expect(plain).toMatchObject({ figure: 10, ratio: { median: 1 } });
    expect(fast).toMatchObject({ figure: 5, ratio: { median: 2, low: 2, high: 2 } });
    expect(wrong).toMatchObject({ failure: "2 is not 3" });
    expect(silent?.failure).toContain("no answer within");
    const second = cellsOf(rows[1] as object, players, [played], "second");
    expect(second.map(({ failure, figure }) => failure ?? figure)).toEqual([7, 7, 7, 7]);
    expect(quick.starts).toBe(1);
    // At first, and after its only turn in the first row.
    expect(players[2]?.starts).toBe(2);
  });

  test("who can't do what a row needs, or does not start, is shown with the reason", async () => {
    const players = [
      contender("plain"),
      contender("text alone", { cannot: { bytes: "JSON has no bytes" } }),
      contender("absent", { cannot: { start: "it is not installed" } }),
      contender("broken", {
        start: async () => {
          throw new Error("no such file");
        },
      }),
    ];
    const bytes = row("bytes", () => ({ calls: 1, micros: 1 }), { needs: ["bytes"] });
    const played = await play({ rows: [bytes], contenders: players, ...LENGTHS }, () => {});
    expect(cellsOf(bytes, players, [played], "bytes")).toMatchObject([
      { name: "plain", figure: 1 },
      { name: "text alone", reason: "JSON has no bytes" },
      { name: "absent", reason: "it is not installed" },
      { name: "broken", failure: "no such file" },
    ]);
    expect(players[2]?.starts).toBe(0);
  });

  test("each contender follows each other one equally often", async () => {
    const order: string[] = [];
    const players = ["plain", "b", "c", "d"].map((name) => contender(name));
    const rows = [
      row("row", ({ name }) => {
        order.push(name);
        return { calls: 1, micros: 1 };
      }),
    ];
    await play({ rows, contenders: players, ...LENGTHS, rounds: 4 }, () => {});
    const pairs = new Map<string, number>();
    for (let round = 0; round < 4; round++) {
      const names = order.slice(round * 4, round * 4 + 4);
      expect([...names].sort()).toEqual(["b", "c", "d", "plain"]);
      for (let place = 1; place < 4; place++) {
        const pair = `${names[place - 1]} ${names[place]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
      }
    }
    expect(new Set(pairs.values())).toEqual(new Set([1]));
    expect(pairs.size).toBe(12);
  });
});

describe("figures", () => {
  const ofSittings = (figures: Record<string, object[]>[], better = "lower", fresh = false) =>
    summarize(
      { better, baseline: () => "plain" },
      [contender("plain"), contender("other")],
      figures.map((each) => ({ figures: each, reasons: {} })),
      { fresh },
    ) as Cell[];

  test("are total time over all calls, so a rare pause counts", () => {
    const turns = [
      ...Array.from({ length: 9 }, () => ({ calls: 10, micros: 10 })),
      { calls: 10, micros: 910 },
    ];
    const [plain, other] = ofSittings([{ plain: turns.map(() => ({ calls: 1, micros: 2 })), other: turns }]);
    expect(plain?.figure).toBe(2);
    expect(other?.figure).toBe(10);
    expect(other?.ratio?.median).toBe(2);
  });

  test("of fresh processes are their median, with the worst beside it", () => {
    const process = (micros: number) => ({
      plain: [{ calls: 1, micros: 8 }],
      other: [{ calls: 1, micros }],
    });
    const [, other] = ofSittings([process(1), process(16), process(2)], "lower", true);
    expect(other).toMatchObject({ figure: 2, ratio: { median: 4 }, worst: { figure: 16, ratio: 0.5 } });
  });

  test("above 1 is better for rates as well, and a zero is as good as a zero", () => {
    const [, rate] = ofSittings([{ plain: [{ value: 10 }], other: [{ value: 30 }] }], "higher");
    expect(rate?.ratio?.median).toBe(3);
    const [, nothing] = ofSittings([{ plain: [{ value: 0 }], other: [{ value: 0 }] }]);
    expect(nothing?.ratio?.median).toBe(1);
  });
});

describe("loops", () => {
  const how = { millis: 5, weigh: (answer: number) => answer, expected: (calls: number) => calls * 2 };
  const answersTwo = async () => 2;

  test("count every answer, and refuse a wrong one", async () => {
    const turns = [
      await sequential(answersTwo, 1, how),
      await inBatches(answersTwo, 1, { ...how, size: 10 }),
      await afterSilence(answersTwo, 1, { ...how, calls: 3, silence: async () => {} }),
    ];
    for (const { calls, micros, p50, p99 } of turns) {
      expect(calls).toBeGreaterThan(0);
      expect(micros).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
    let count = 0;
    const onceWrong = async () => (count++ === 3 ? 3 : 2);
    await expect(sequential(onceWrong, 1, how)).rejects.toThrow();
    count = 0;
    await expect(inBatches(onceWrong, 1, { ...how, size: 10 })).rejects.toThrow();
  });

  test("a task that should fail and does not is a wrong answer", async () => {
    const failing: Tasks["fail"] = async () => {
      throw new RangeError("out of range");
    };
    const turn = await sequentialFailures(failing, 1, { millis: 5, message: "out of range" });
    expect(turn.calls).toBeGreaterThan(0);
    await expect(sequentialFailures(failing, 1, { millis: 5, message: "another" })).rejects.toThrow();
    await expect(sequentialFailures(answersTwo, 1, { millis: 5, message: "out of range" })).rejects.toThrow();
  });
});
