/** Selects the part of the benchmark that the user asks for. */

import { LOADS } from "./load.mjs";
import { refuse } from "./options.mjs";
import { ALL_ROWS } from "./rows/all.mjs";

/** What is measured apart from the rows. */
const APART = ["floors", "rest"];
const IDLE = "idle";
const BUSY = LOADS.filter((load) => load !== IDLE);

/**
 * `rows`, the machine's `loads` under which they are played, and whether `floors` and `rest` are measured. `what` is the
 * name of a group, "busy" for all rows on busy machines, or words of a title. Without it all is selected.
 */
export function only(what) {
  if (what === undefined) {
    return { rows: ALL_ROWS, loads: LOADS, floors: true, rest: true };
  }
  if (what === "busy") {
    return { rows: ALL_ROWS.filter(({ busy }) => busy), loads: BUSY, floors: false, rest: false };
  }
  const ofGroup = ALL_ROWS.filter(({ group }) => group === what);
  const rows = ofGroup.length > 0 ? ofGroup : ALL_ROWS.filter(({ title }) => title.includes(what));
  if (rows.length === 0 && !APART.includes(what)) {
    refuse(`--only is ${JSON.stringify(what)}, ${choice()}`);
  }
  return { rows, loads: [IDLE], floors: what === "floors", rest: what === "rest" };
}

function choice() {
  const groups = [...new Set(ALL_ROWS.map(({ group }) => group)), "busy", ...APART];
  const names = groups.map((name) => `"${name}"`).join(", ");
  const titles = ALL_ROWS.map(({ title }) => `\n  ${title}`);
  return `and nothing is called that. Say one of ${names}, or words of one of these titles:${titles.join("")}`;
}
