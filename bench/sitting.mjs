/** One process of sittings.mjs: `node sitting.mjs <what>` prints the turns of each contender of each event. */
import { otherBuild, thisBuild } from "./builds.mjs";
import { besideEachOther } from "./line-up.mjs";
import { only } from "./only.mjs";
import { play } from "./play.mjs";

const what = JSON.parse(process.argv[2]);
const builds = what.otherFirst
  ? [otherBuild(what.against), thisBuild()]
  : [thisBuild(), otherBuild(what.against)];
const groups = only(what.only, besideEachOther(builds)).map((group) => ({
  ...group,
  seconds: group.seconds / what.sittings,
  quickSeconds: group.quickSeconds / what.sittings,
}));
const { events, rounds } = await play(groups, what.quick);
const figures = events.map((event) =>
  Object.fromEntries([...event.figures].map(([contender, turns]) => [contender.name, turns])),
);
console.log(JSON.stringify({ figures, rounds }));
