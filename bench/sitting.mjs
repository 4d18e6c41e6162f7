/** A process of sittings.mjs: it is told by a message what to play, and answers with messages: progress, then figures. */
import { otherBuild, thisBuild } from "./builds.mjs";
import { besideEachOther, besidePeers } from "./line-up.mjs";
import { play } from "./play.mjs";
import { rowsById } from "./rows/all.mjs";

process.once("message", async ({ ids, against, otherFirst, knitting, ...lengths }) => {
  try {
    const rows = rowsById(ids);
    const builds = () =>
      otherFirst ? [otherBuild(against), thisBuild()] : [thisBuild(), otherBuild(against)];
    const contenders =
      against === undefined
        ? await besidePeers(thisBuild(), { knitting })
        : besideEachOther(builds()).contenders;
    const played = await play({ ...lengths, rows, contenders }, (progress) => process.send({ progress }));
    process.send({ played }, () => process.exit());
  } catch (error) {
    process.send({ error: error.stack }, () => process.exit(1));
  }
});
process.once("disconnect", () => process.exit(1));
