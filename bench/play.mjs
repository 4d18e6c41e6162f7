/** Lets groups play, one group after the other. */
import { interleave } from "./interleave.mjs";

/** All events of the groups, the number of rounds, and the time that they took. */
export async function play(groups, quick) {
  const start = performance.now();
  let rounds = 0;
  for (const { name, standing, events, ...lengths } of groups) {
    const contenders = standing ? [...new Set(events.flatMap(({ figures }) => [...figures.keys()]))] : [];
    await Promise.all(contenders.map((contender) => contender.start()));
    rounds += await interleave(events, lengthOf(lengths, quick), (round) => progress(name, round));
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
  return {
    events: groups.flatMap(({ events }) => events),
    rounds,
    seconds: (performance.now() - start) / 1e3,
  };
}

/** For how many seconds a group plays, or how many rounds. */
function lengthOf({ seconds, quickSeconds, rounds, quickRounds }, quick) {
  return quick ? { seconds: quickSeconds, rounds: quickRounds } : { seconds, rounds };
}

/** Shows a person that the benchmark is running. */
function progress(group, round) {
  if (process.stderr.isTTY) {
    process.stderr.write(round < 0 ? `\r${group}: warming up` : `\r${group}: round ${round + 1}  `);
  }
}
