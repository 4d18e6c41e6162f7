/** Selects the Node flags of the host that its workers also get. */

/**
 * Flags that say what the host runs, how it is watched, or what a test runner has set up. They are not meant for a
 * worker.
 */
const NOT_INHERITED = new Set([
  "-r",
  "--require",
  "--import",
  "--loader",
  "--experimental-loader",
  "-C",
  "--conditions",
  "-e",
  "--eval",
  "-p",
  "--print",
  "-pe",
  "-i",
  "--interactive",
  "-c",
  "--check",
  "--input-type",
  "--title",
]);

/** The same, for whole families of flags. */
const NOT_INHERITED_PREFIXES = [
  "--inspect",
  "--debug",
  "--test",
  "--experimental-test",
  "--watch",
  "--allow-",
  "--permission",
  "--experimental-permission",
  "--cpu-prof",
  "--heap-prof",
  "--prof",
  "--env-file",
];

/**
 * A flag is kept or dropped together with its value, which is in the same argument or in the next: `execArgv` holds
 * nothing else.
 */
export function inheritedExecArgv(execArgv: readonly string[]): string[] {
  let inherits = true;
  return execArgv.filter((argument) => {
    if (argument.startsWith("-")) {
      const flag = argument.split("=", 1)[0];
      inherits =
        !NOT_INHERITED.has(flag) && !NOT_INHERITED_PREFIXES.some((prefix) => flag.startsWith(prefix));
    }
    return inherits;
  });
}
