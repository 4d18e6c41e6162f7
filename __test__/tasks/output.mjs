/** Tasks that write to stdout and stderr. */
import { writeSync } from "node:fs";

export const log = ({ out = [], err = [] }) => {
  out.forEach((line) => {
    console.log(line);
  });
  err.forEach((line) => {
    console.error(line);
  });
};
/** Writes for so long, as fast as it can. */
export const flood = (millis) => {
  const chunk = `${"flood ".repeat(20)}\n`.repeat(64);
  const end = performance.now() + millis;
  let bytes = 0;
  while (performance.now() < end) {
    bytes += writeSync(1, chunk);
  }
  return bytes;
};
export const pid = () => process.pid;
