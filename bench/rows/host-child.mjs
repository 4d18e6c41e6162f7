/** The program of host.mjs: it runs one command after the other and answers each. It ends with its channel. */
import { strictEqual } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { bareRuntimes } from "../contenders/bare.mjs";
import { InLine } from "../contenders/in-line.mjs";
import { sentenceOf } from "../failures.mjs";
import { collectGarbage } from "../garbage.mjs";
import { contendersOf } from "../line-up.mjs";

const lineUp = JSON.parse(process.argv[2]);

const STOP_MILLIS = 4_000;

/** The contender whose starts are timed. */
let starter;
/** Those that live as long as this process. */
const started = [];

const commands = {
  /**
   * How many milliseconds a new worker takes from nothing to the first answer, and for how many of them the call that
   * creates it keeps the event loop.
   */
  async timeStart({ name }) {
    starter ??= await contenderNamed(name);
    const contender = starter;
    try {
      const start = performance.now();
      contender.open(1);
      const blocked = performance.now() - start;
      await check(contender, 0);
      return { answered: performance.now() - start, blocked };
    } finally {
      await contender.stop();
    }
  },

  /** Starts workers, which live as long as this process, and makes some calls. */
  async start({ name, workers = 1, calls = 0 }) {
    const contender = await startedNamed(name, workers);
    for (let x = 0; x < calls && contender.tasks; x++) {
      await check(contender, x);
    }
  },

  collectGarbage: () => collectGarbage(),

  /** A web server. Its handler waits for the answer of a worker, or does the work itself. Returns its port. */
  async serve({ name, workers, records }) {
    const contender = await startedNamed(name, workers);
    const { totals } = contender.tasks;
    const server = createServer(async ({ url }, response) => {
      if (url === "/health") {
        response.end("ok");
        return;
      }
      try {
        const index = Number(url.slice(url.lastIndexOf("/") + 1));
        response.end(await totals({ index, records }));
      } catch (error) {
        response.statusCode = 500;
        response.end(String(error));
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server.address().port;
  },
};

async function startedNamed(name, workers) {
  const contender = await contenderNamed(name);
  started.push(contender);
  await contender.start(workers);
  return contender;
}

async function check({ tasks }, x) {
  const answer = await tasks.inc(x);
  strictEqual(answer, x + 1, `the answer to inc(${x}) is ${answer}`);
}

/** A new instance at each call. */
async function contenderNamed(name) {
  const all = [...(await contendersOf(lineUp)), ...bareRuntimes(), new InLine()];
  return all.find((contender) => contender.name === name);
}

process.on("message", async ({ command, argument }) => {
  try {
    process.send({ value: await commands[command](argument) });
  } catch (error) {
    process.send({ failure: sentenceOf(error) });
  }
});
process.once("disconnect", async () => {
  setTimeout(() => process.exit(), STOP_MILLIS);
  await Promise.allSettled(started.map(async (contender) => contender.stop()));
  process.exit();
});
