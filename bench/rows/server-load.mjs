/**
 * The load on a web server: `node server-load.mjs <JSON>`, as a child process of server.mjs, which gets the figures as
 * a message. Times are in microseconds.
 *
 * autocannon's own percentiles are whole milliseconds, and with a given rate it sends the requests of a second at once.
 * So the times come from its events, and the client of /health is not one of its own.
 */
import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { totals } from "../json-task.mjs";
import { requirePeer } from "../require-peer.mjs";
import { quantile } from "../statistics.mjs";

/** Different requests, so that the answer to another one is seen. */
const REQUESTS = 16;
const HEALTH_MILLIS = 5;
/** autocannon stops at the end of such an interval. */
const SAMPLE_MILLIS = 50;
const REQUEST_SECONDS = 10;

const { port, records, clients, warmMillis, millis } = JSON.parse(process.argv[2]);
const autocannon = requirePeer("autocannon");
const host = "127.0.0.1";
const requests = Array.from({ length: REQUESTS }, (_, index) => requestOf(index));
let failure;

await askClients(warmMillis);
const over = new AbortController();
const health = askHealth(over.signal);
const { times, seconds } = await askClients(millis);
over.abort();
const healthTimes = await health;
process.send({
  perSecond: times.length / seconds,
  p50: quantile(times, 0.5),
  p99: quantile(times, 0.99),
  healthP99: quantile(healthTimes, 0.99),
  failure,
});
process.disconnect();

function requestOf(index) {
  const answer = totals({ index, records });
  return {
    path: `/totals/${index}`,
    onResponse(status, body) {
      if (status !== 200 || body !== answer) {
        failure ??= `a request was answered with ${status} and ${body.slice(0, 80)}`;
      }
    },
  };
}

/** Requests of clients that each wait for their answer. Returns the times that these took, sorted. */
async function askClients(millis) {
  const times = [];
  const start = performance.now();
  const run = autocannon({
    url: `http://${host}:${port}`,
    requests,
    connections: clients,
    duration: millis / 1e3,
    sampleInt: SAMPLE_MILLIS,
    timeout: REQUEST_SECONDS,
  });
  run.on("response", (_client, _status, _bytes, millis) => times.push(millis * 1e3));
  run.on("reqError", (error) => {
    failure ??= `a request failed: ${error.message}`;
  });
  await run;
  const seconds = (performance.now() - start) / 1e3;
  if (times.length === 0) {
    failure ??= "no request was answered";
  }
  return { times: Float64Array.from(times).sort(), seconds };
}

/** Requests of one client at intervals. Returns the times that these took, sorted. */
async function askHealth(signal) {
  const agent = new Agent({ keepAlive: true });
  const times = [];
  try {
    while (!signal.aborted) {
      times.push(await timeHealth(agent));
      await sleep(HEALTH_MILLIS);
    }
  } catch (error) {
    failure ??= `a request of /health failed: ${error.message}`;
  }
  agent.destroy();
  return Float64Array.from(times).sort();
}

function timeHealth(agent) {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = get({ host, port, path: "/health", agent }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`the status is ${response.statusCode}`));
      }
      response.resume();
      response.on("end", () => resolve((performance.now() - start) * 1e3));
    });
    request.on("error", reject);
  });
}
