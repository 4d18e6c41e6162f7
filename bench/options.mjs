/** The command line options. Anything else is answered with an error message of one sentence. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";

const HELP = `\
npm run bench -- [options]

What a call costs here and what it costs by what Node itself has, how long calls wait here and in the pools of other
packages, and what replaced workers cost: contenders take turns in one run.

  --quick            a shorter run, with fewer rounds
  --json             the results as JSON
  --only <what>      a group, "calls", "arrivals", "recycling" or with --against "start", or the scenarios with these
                     words in their titles
  --against <path>   this build and another take turns: the path of another checkout, built, or of an installed package
  --node <path>      the Node that runs it, instead of the one that our documents' figures are from
  --help             this text
`;

const OPTIONS = {
  quick: { type: "boolean" },
  json: { type: "boolean" },
  only: { type: "string" },
  against: { type: "string" },
  node: { type: "string" },
  help: { type: "boolean" },
};

/**
 * The options of this process. `against` is absolute, because npm runs a script in another folder than the one where it
 * was called.
 */
export function readOptions() {
  const { help, against, ...options } = parsed();
  if (help) {
    process.stdout.write(HELP);
    process.exit();
  }
  return against === undefined
    ? options
    : { ...options, against: resolve(process.env.INIT_CWD ?? ".", against) };
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
