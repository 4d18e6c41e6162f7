/**
 * `node bench/codecs/main.mjs [--quick]`: compares this package's codec with others, as the tables of docs/payloads.md.
 */
import { machine } from "../machine.mjs";
import { attack } from "./hostile.mjs";
import { measure } from "./speed.mjs";

const ROUNDS = process.argv.includes("--quick") ? 20 : 300;

const { node, kernel, cpu, cores, memoryGiB } = machine();
console.log(`Node ${node}, Linux ${kernel}, ${cpu}, ${cores} cores, ${memoryGiB} GiB\n`);

table(
  ["", "codec", "bytes", "encode, us", "decode, us"],
  measure(ROUNDS).flatMap(({ name, rows }) =>
    rows.map(({ codec, bytes, encode, decode }, index) => [
      index === 0 ? name : "",
      codec,
      String(bytes),
      digits(encode),
      digits(decode),
    ]),
  ),
);

const attacked = attack();
const names = Object.keys(attacked[0].came);
table(
  ["", ...names],
  attacked.map(({ attempt, came }) => [attempt, ...names.map((name) => came[name])]),
);

function digits(micros) {
  return micros.toFixed(micros < 10 ? 2 : micros < 100 ? 1 : 0);
}

function table(heading, rows) {
  for (const row of [heading, heading.map(() => "---"), ...rows]) {
    console.log(`| ${row.join(" | ")} |`);
  }
  console.log();
}
