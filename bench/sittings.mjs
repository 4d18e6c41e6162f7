/**
 * Sittings: the rows are played in several processes, one after the other. How V8 compiles a copy of a program and where
 * its memory lies is a matter of luck that lasts as long as a process: two copies of the same build have differed by a
 * tenth in one process. On a busy machine, which worker shares a core with what is such luck, too.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { STANDING } from "./plan.mjs";
import { showProgress } from "./progress.mjs";

const SITTING = fileURLToPath(new URL("./sitting.mjs", import.meta.url));
/** Of two builds. Their sittings share a time, which depends on how much they play. */
const SITTINGS = 8;
const QUICK_SITTINGS = 4;
const SECONDS_OF_ROW = 5;
const QUICK_SECONDS_OF_ROW = 1.5;
const LEAST_SECONDS = 20;
/** A sitting tells its progress at each row. If it says nothing for so long, it is stuck. */
const SILENCE_MILLIS = 600_000;

/** Plays one sitting. Rejects if its process ends without figures, which is a fault of the benchmark. */
export function sit(what, onProgress) {
  return new Promise((resolve, reject) => {
    const child = fork(SITTING);
    let timer;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => child.kill("SIGKILL"), SILENCE_MILLIS);
    };
    let played;
    let failure = "it gave no reason";
    child.on("message", (message) => {
      wait();
      played = message.played ?? played;
      failure = message.error ?? failure;
      if (message.progress !== undefined) {
        onProgress(message.progress);
      }
    });
    child.on("exit", (status, signal) => {
      clearTimeout(timer);
      if (played === undefined) {
        reject(new Error(`A process of the benchmark has ended with ${signal ?? status}: ${failure}`));
      } else {
        resolve(played);
      }
    });
    child.send(what);
    wait();
  });
}

/**
 * Two builds play in several sittings. In every other one the other build is loaded first and plays first. Returns the
 * turns of all sittings and the number of rounds.
 */
export async function playInTurns(rows, { against, quick }) {
  const sittings = quick ? QUICK_SITTINGS : SITTINGS;
  const ids = rows.map(({ id }) => id);
  const seconds = Math.max(LEAST_SECONDS, rows.length * (quick ? QUICK_SECONDS_OF_ROW : SECONDS_OF_ROW));
  const figures = {};
  let rounds = 0;
  for (let number = 0; number < sittings; number++) {
    const sat = await sit(
      {
        ids,
        quick,
        lineUp: { against, otherFirst: number % 2 === 1 },
        ...STANDING.whole,
        seconds: seconds / sittings,
      },
      (progress) => showProgress(`sitting ${number + 1} of ${sittings}: ${progress}`),
    );
    for (const [id, ofRow] of Object.entries(sat.figures)) {
      figures[id] ??= {};
      for (const [name, turns] of Object.entries(ofRow)) {
        figures[id][name] ??= [];
        figures[id][name].push(...turns);
      }
    }
    rounds += sat.rounds;
  }
  return { figures, rounds };
}
