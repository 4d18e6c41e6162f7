/**
 * `node bench/contenders/check.mjs [--knitting <checkout>] [words of a name]`: whether every contender answers each task rightly, with one
 * worker and with two, and leaves nothing behind. Prints a table. The exit status is 1 if anything fails.
 */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { thisBuild } from "../builds.mjs";
import { sentenceOf, within } from "../failures.mjs";
import { loadOtherKnitting } from "../other-knitting.mjs";
import { descendantsOf } from "../rows/processes.mjs";
import { contenders } from "./all.mjs";

const PATIENCE_MILLIS = 20_000;
/** Threads of a worker end a little later than it says. */
const GRACE_MILLIS = 1_000;
const BYTES = Uint8Array.from({ length: 100_000 }, (_, index) => index * 31);
const NESTED = { id: 1, name: "näme", list: [1.5, null, true, { deep: ["a", "b"] }], nothing: {} };

/** Each is checked with the task functions of a contender. `needs` is what it may say that it cannot. */
const CHECKS = {
  inc: { check: async ({ inc }) => strictEqual(await inc(41), 42) },
  number: { check: ({ echo }) => echoes(echo, -0.5) },
  string: { check: ({ echo }) => echoes(echo, "blåbær".repeat(1000)) },
  unicode: { check: ({ echo }) => echoes(echo, "織り物🧶".repeat(1000)) },
  object: { check: ({ echo }) => echoes(echo, NESTED) },
  bytes: { needs: "bytes", check: ({ echo }) => echoes(echo, BYTES) },
  take: {
    needs: "bytes",
    async check({ take }) {
      strictEqual(await take(BYTES), BYTES.length);
      strictEqual(await take("text"), 4);
    },
  },
  make: {
    needs: "bytes",
    async check({ make }) {
      deepStrictEqual(await make(BYTES.length), BYTES);
      deepStrictEqual(await make(BYTES.length), BYTES);
    },
  },
  fail: {
    needs: "errors",
    async check({ fail, inc }) {
      await rejects(fail("as it should"), { message: "as it should" });
      strictEqual(await inc(1), 2);
    },
  },
  serve: {
    async check({ serve }) {
      const { index, begun, ended } = await serve({ index: 7, millis: 3 });
      strictEqual(index, 7);
      ok(ended - begun >= 3);
    },
  },
  work: { check: async ({ work }) => strictEqual(await work(500), 500) },
  self: { check: async ({ self }) => ok(Number.isInteger((await self()).pid)) },
  many: {
    async check({ inc }) {
      const answers = await Promise.all(Array.from({ length: 500 }, (_, index) => inc(index)));
      deepStrictEqual(
        answers,
        answers.map((_, index) => index + 1),
      );
    },
  },
};

const { knitting, words } = readArguments();
const all = contenders({
  build: thisBuild(),
  runtimes: ensureRuntimes(),
  knitting: knitting && (await loadOtherKnitting(knitting)),
}).filter(({ name }) => name.includes(words));
if (all.length === 0) {
  end(`no contender has ${JSON.stringify(words)} in its name.`);
}
const rows = [];
for (const contender of all) {
  for (const workers of [1, 2]) {
    rows.push({ contender: contender.name, workers, ...(await checked(contender, workers)) });
  }
}
print(rows);
const failed = rows.some((row) => Object.values(row).some((cell) => String(cell).startsWith("FAILED")));
process.exit(failed ? 1 : 0);

function readArguments() {
  try {
    const options = { knitting: { type: "string" } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    return { knitting: values.knitting, words: positionals.join(" ") };
  } catch (error) {
    const [sentence] = error.message.split(/\.\s/);
    return end(`${sentence}. It takes --knitting <checkout>, and words of a name.`);
  }
}

function end(sentence) {
  console.error(`bench/contenders/check.mjs: ${sentence}`);
  process.exit(1);
}

async function checked(contender, workers) {
  const { cannot } = contender;
  if (cannot.start !== undefined) {
    return { open: `cannot: ${cannot.start}` };
  }
  const before = descendantsOf(process.pid);
  const threadsBefore = threads();
  const cells = {};
  const cell = async (name, work) => {
    try {
      await within(PATIENCE_MILLIS, work());
      cells[name] = "ok";
    } catch (error) {
      cells[name] = `FAILED: ${sentenceOf(error)}`;
    }
    return cells[name] === "ok";
  };
  await cell("open", async () => {
    try {
      contender.open(workers);
      strictEqual(await contender.tasks.inc(0), 1);
    } finally {
      await contender.stop();
    }
  });
  if (await cell("start", () => contender.start(workers))) {
    for (const [name, { needs, check }] of Object.entries(CHECKS)) {
      if (cannot[needs] === undefined) {
        await cell(name, () => check(contender.tasks));
      } else {
        cells[name] = `cannot: ${cannot[needs]}`;
      }
    }
  }
  await cell("stop", async () => {
    await contender.stop();
    const left = descendantsOf(process.pid).filter((pid) => !before.includes(pid));
    ok(left.length === 0, `left ${left.length} processes`);
    const end = performance.now() + GRACE_MILLIS;
    while (threads() > threadsBefore && performance.now() < end) {
      await sleep(10);
    }
    ok(threads() <= threadsBefore, `left ${threads() - threadsBefore} threads`);
  });
  return cells;
}

async function echoes(echo, value) {
  deepStrictEqual(await echo(value), value);
}

function threads() {
  return readdirSync("/proc/self/task").length;
}

function print(rows) {
  const names = ["contender", "workers", "open", "start", ...Object.keys(CHECKS), "stop"];
  console.log(`| ${names.join(" | ")} |\n|${names.map(() => " --- |").join("")}`);
  for (const row of rows) {
    console.log(`| ${names.map((name) => row[name] ?? "").join(" | ")} |`);
  }
}
