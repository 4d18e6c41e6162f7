/** The command `knitting-native`. It has no subcommands yet: `--help` and `--version`. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { packageFolder } from "../native/package";

const HELP = `Usage: knitting-native [--help] [--version]

  --help      prints this
  --version   prints the version of this package
`;

/** Runs the command. `argv` is what follows its name. Returns its exit status: 2 for a mistake in `argv`. */
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
