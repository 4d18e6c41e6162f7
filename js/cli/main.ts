/** The command `knitting-native`. It has no subcommands yet, only `--help` and `--version`. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { packageFolder } from "../native/package";

const HELP = `Usage: knitting-native [--help] [--version]

  --help      prints this
  --version   prints the version of this package
`;

/**
 * Runs the command. `argv` holds the arguments behind its name. Returns the exit status, which is 2 for invalid
 * arguments.
 */
export function run(argv: readonly string[]): number {
  const options = { help: { type: "boolean" }, version: { type: "boolean" } } as const;
  try {
    const { values } = parseArgs({ args: [...argv], options });
    process.stdout.write(values.version === true && values.help !== true ? `${version()}\n` : HELP);
    return 0;
  } catch (error) {
    process.stderr.write(`knitting-native: ${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
}

function version(): string {
  return JSON.parse(readFileSync(`${packageFolder}/package.json`, "utf8")).version;
}
