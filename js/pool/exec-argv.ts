/** Which of the host's own Node flags its workers get too. */

/**
 * Flags that say what the host is to run, how it is watched or what a test runner has put in front of it; none of that is
 * meant for a worker. The value says whether the flag takes the next argument when it has no `=`.
 */
const NOT_INHERITED: Readonly<Record<string, boolean>> = {
  "-r": true,
  "--require": true,
  "--import": true,
  "--loader": true,
  "--experimental-loader": true,
  "-C": true,
  "--conditions": true,
  "-e": true,
  "--eval": true,
  "-p": true,
  "--print": true,
  "-pe": true,
  "-i": false,
  "--interactive": false,
  "-c": false,
  "--check": false,
  "--input-type": true,
  "--title": true,
  "--permission": false,
  "--experimental-permission": false,
};

/** The same, for whole families of flags. */
const NOT_INHERITED_PREFIXES = [
  "--inspect",
  "--debug",
  "--test",
  "--experimental-test",
  "--watch",
  "--allow-",
  "--cpu-prof",
  "--heap-prof",
  "--prof",
  "--env-file",
];

export function inheritedExecArgv(execArgv: readonly string[]): string[] {
  const inherited: string[] = [];
  for (let index = 0; index < execArgv.length; index++) {
    const argument = execArgv[index];
    const flag = argument.split("=", 1)[0];
    if (Object.hasOwn(NOT_INHERITED, flag)) {
      if (NOT_INHERITED[flag] && !argument.includes("=")) {
        index++;
      }
    } else if (!NOT_INHERITED_PREFIXES.some((prefix) => flag.startsWith(prefix))) {
      inherited.push(argument);
    }
  }
  return inherited;
}
