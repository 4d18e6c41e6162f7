/** The command line options. Anything else is answered with an error message of one sentence. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";

const HELP = `\
npm run bench -- [options]

What a call costs here, by what Node itself has, and in the pools of other packages, on an idle machine and on busy ones;
how soon workers start, how long calls wait, and what workers cost at rest. All contenders take turns in one run. The
whole takes less than 20 minutes, and nothing else should run on the machine meanwhile.

  --quick            less than two minutes, with fewer rounds and without the slowest rows, which it names
  --only <what>      a group ("numbers", "busy", "start", "rest", ...), or the rows with these words in their titles
  --against <path>   this build and another take turns: the path of another checkout, built, or of an installed package
  --knitting <path>  Knitting as a further contender: the path of a checkout of it. Node 26 runs the benchmark then
  --json             the results as JSON
  --docs             writes the results to docs/benchmarks.md, its plots, and the table of README.md
  --node <path>      the Node that runs it, instead of the one that our documents' figures are from
  --help             this text
`;

const OPTIONS = {
  quick: { type: "boolean" },
  json: { type: "boolean" },
  docs: { type: "boolean" },
  only: { type: "string" },
  against: { type: "string" },
  knitting: { type: "string" },
  node: { type: "string" },
  help: { type: "boolean" },
};

/** Options that don't go together. */
const EXCLUSIVE = [
  ["against", "knitting"],
  ["against", "docs"],
  ["only", "docs"],
  ["quick", "docs"],
];

/** The options of this process. Paths are absolute, because npm runs a script in another folder than where it was called. */
export function readOptions() {
  const { help, ...options } = parsed();
  if (help) {
    process.stdout.write(HELP);
    process.exit();
  }
  for (const [one, other] of EXCLUSIVE) {
    if (options[one] !== undefined && options[other] !== undefined) {
      refuse(`--${one} and --${other} do not go together.`);
    }
  }
  for (const name of ["against", "knitting"]) {
    if (options[name] !== undefined) {
      options[name] = resolve(process.env.INIT_CWD ?? ".", options[name]);
    }
  }
  return options;
}

/** The same options as arguments for another process. */
export function asArguments(options) {
  return Object.entries(options).map(([name, value]) =>
    value === true ? `--${name}` : `--${name}=${value}`,
  );
}

/** Ends the process with a sentence about the user's mistake. */
export function refuse(sentence) {
  console.error(`npm run bench: ${sentence}`);
  process.exit(1);
}

function parsed() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    // Node's message goes on with general advice about options after its first sentence.
    const [sentence] = error.message.split(/\.\s/);
    return refuse(`${sentence}. \`npm run bench -- --help\` lists the options.`);
  }
}
