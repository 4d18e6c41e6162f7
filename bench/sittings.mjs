/**
 * Two builds play in several processes, one after the other. How V8 compiles each copy and where its memory lies is a
 * matter of luck that lasts as long as a process: two copies of the same build have differed by a tenth in one process.
 * In every other process the other build is loaded first and plays first.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const SITTINGS = 8;
const QUICK_SITTINGS = 4;
const SITTING = fileURLToPath(new URL("./sitting.mjs", import.meta.url));

/** Lets all sittings play, and collects their results in the events of `groups`. */
export function playInSittings(groups, { against, only, quick }) {
  const events = groups.flatMap((group) => group.events);
  const sittings = quick ? QUICK_SITTINGS : SITTINGS;
  const start = performance.now();
  let rounds = 0;
  for (let number = 0; number < sittings; number++) {
    const sat = sit({ against, only, quick, sittings, otherFirst: number % 2 === 1 });
    for (const [index, { figures }] of events.entries()) {
      for (const [contender, turns] of figures) {
        turns.push(...sat.figures[index][contender.name]);
      }
    }
    rounds += sat.rounds;
  }
  return { events, rounds, seconds: (performance.now() - start) / 1e3 };
}

/** Runs a sitting. Ends this process if the sitting fails, which has then printed the reason. */
function sit(what) {
  const { status, stdout } = spawnSync(process.execPath, [SITTING, JSON.stringify(what)], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  return status === 0 ? JSON.parse(stdout) : process.exit(1);
}
