/** A process of sittings.mjs: it is told by a message what to play, and answers with messages: progress, then figures. */
import { contendersOf } from "./line-up.mjs";
import { play } from "./play.mjs";
import { rowsById } from "./rows/all.mjs";

process.once("message", async ({ ids, lineUp, ...lengths }) => {
  try {
    const contenders = await contendersOf(lineUp);
    const what = { ...lengths, rows: rowsById(ids), contenders, lineUp };
    const played = await play(what, (progress) => process.send({ progress }));
    process.send({ played }, () => process.exit());
  } catch (error) {
    process.send({ error: error.stack }, () => process.exit(1));
  }
});
process.once("disconnect", () => process.exit(1));
