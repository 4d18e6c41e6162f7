/**
 * All rows, in the order of the table. A row is what is measured of each contender:
 *
 * - `id`, `group` and `title`; the `unit` of its figures, and which is `better`, "lower" or "higher";
 * - `standing`: its contenders have one worker each, which lives as long as a sitting; otherwise `turn` starts and stops
 *   the contender;
 * - `warming`: it takes part in rounds of warm-up;
 * - `slow`: a quick run leaves it out;
 * - `busy`: it is measured again on busy machines;
 * - `needs`: properties that a contender may lack, by its `cannot`; `excluded(name)`: why a contender doesn't play;
 * - `contenders(all)`: its contenders, if they are not all;
 * - `baseline(contender)`: the name of the contender with which it is compared;
 * - `warm(contender, context)`, unmeasured; `turn(contender, { loops, millis, round, quick, lineUp })` returns what
 *   summary.mjs reduces. `lineUp` is what `contendersOf` makes the contenders from, in this process or another one.
 * - `end()`, after the last round.
 */
import { callRows } from "./calls.mjs";
import { memoryRows } from "./memory.mjs";
import { recyclingRow } from "./recycling.mjs";
import { serverRows } from "./server.mjs";
import { startRows } from "./start.mjs";
import { waitingRows } from "./waiting.mjs";
import { workerRows } from "./workers.mjs";

export const ALL_ROWS = [
  ...callRows,
  ...startRows,
  ...memoryRows,
  ...workerRows,
  ...waitingRows,
  ...serverRows,
  recyclingRow,
];

export function rowsById(ids) {
  const byId = new Map(ALL_ROWS.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id));
}
