/**
 * A web server whose answers take processor time. A pool of processes does that work, so the server itself stays free.
 * What is too much is refused, what hangs is ended, and SIGTERM lets requests finish.
 *
 * ```text
 *   PORT=8080 WORKERS=2 QUEUE=20 TIMEOUT=1000 node web-server.mjs
 *   curl 'localhost:8080/derive?word=secret'               about 5 ms of work
 *   curl 'localhost:8080/derive?word=secret&rounds=1e9'    far too much: 504 after TIMEOUT milliseconds
 * ```
 */
import { pbkdf2Sync } from "node:crypto";
import { createServer } from "node:http";
import {
  createPool,
  isMain,
  PoolClosedError,
  QueueFullError,
  QueueTimeoutError,
  TaskTimeoutError,
} from "knitting-native";

export function derive({ word, rounds }) {
  return pbkdf2Sync(word, "salt", rounds, 16, "sha256").toString("hex");
}

function statusOf(error) {
  if (error instanceof TaskTimeoutError) {
    return 504;
  }
  const isBusy = [QueueFullError, QueueTimeoutError, PoolClosedError].some((Class) => error instanceof Class);
  return isBusy ? 503 : 500;
}

if (isMain) {
  const { PORT = "0", WORKERS = "2", QUEUE = "20", TIMEOUT = "1000", NICE = "0" } = process.env;

  const pool = createPool({
    threads: Number(WORKERS),
    // With a NICE above 0, the server itself gets a core before its workers do.
    worker: { runtime: "process", processRuntime: "node", nice: Number(NICE) },
    workerPoolConfig: {
      maxQueueSize: Number(QUEUE), // a request beyond that is answered at once, with 503
      queueTimeout: 1_000, // one that has waited for so long as well
      gracefulShutdownTimeout: 5_000, // less than there is between SIGTERM and SIGKILL
    },
  })({ derive });

  async function answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname === "/health") {
      const isReady = pool.workers.some(({ state }) => state === "ready");
      send(response, isReady ? 200 : 503, isReady ? "ok" : "not ready");
      return;
    }
    const word = searchParams.get("word") ?? "";
    const rounds = Number(searchParams.get("rounds") ?? 25_000);
    // A client that goes away gives its call up. A call that has not begun by then is never sent.
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    try {
      const timeout = { time: Number(TIMEOUT), kill: true };
      send(response, 200, await pool.call.derive({ word, rounds }, { timeout, signal: gone.signal }));
    } catch (error) {
      send(response, statusOf(error), error.name);
    }
  }

  function send(response, status, text) {
    response.writeHead(status, {
      ...(status === 503 && { "retry-after": "1" }),
      // The last answer on its connection, because the server takes no more requests.
      ...(!server.listening && { connection: "close" }),
    });
    response.end(`${text}\n`);
  }

  const server = createServer(answer);
  server.listen(Number(PORT), () => console.log(`listens on port ${server.address().port}`));

  process.once("SIGTERM", async () => {
    server.close();
    const { cut } = await pool.shutdown();
    console.log(`closed, ${cut} requests were cut off`);
  });
}
