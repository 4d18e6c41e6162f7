/**
 * The test runners of other projects. Each says how to run the cases of one file whose names match a pattern, and reads
 * the results from its output, line by line: so what had finished before a case hung is known.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Matches no name. */
const NONE = "^(?!)";

const reporter = fileURLToPath(new URL("vitest-reporter.mjs", import.meta.url));

export const vitest = {
  command: (file, pattern) => ({
    argv: [bin("vitest", "vitest.mjs"), "run", file, "--testNamePattern", pattern, "--reporter", reporter],
  }),
  listing: (file) => vitest.command(file, NONE),
  read: (lines) => lines.filter((line) => line.startsWith("{")).flatMap(parsed),
};

const MOCHA = [bin("mocha", "bin", "mocha.js"), "--reporter", "json-stream"];

export const mocha = {
  command: (file, pattern) => ({ argv: [...MOCHA, file, "--grep", `/${pattern}/`] }),
  listing: (file) => ({ argv: [...MOCHA, file, "--dry-run"] }),
  read: (lines) =>
    lines
      .filter((line) => line.startsWith("["))
      .flatMap(parsed)
      .flatMap(([event, { fullTitle: name, err: message }]) => {
        return { pass: [{ name, state: "passed" }], fail: [{ name, state: "failed", message }] }[event] ?? [];
      }),
};

export const tap = {
  command: (file, pattern) => ({
    argv: [file],
    env: { TAP_GREP: `/${pattern}/` },
  }),
  listing: (file) => tap.command(file, NONE),
  read(lines) {
    let message;
    return lines.flatMap((line) => {
      const [, indent, not, escaped, skip] =
        /^( *)(not )?ok \d+ - (.*?)(?: #(?: time=\S+| (SKIP.*)))?$/.exec(line) ?? [];
      if (indent !== "") {
        // An assertion of a case that ends further below.
        message = not ? escaped : message;
        return [];
      }
      const name = escaped.replaceAll("\\#", "#");
      const told = message;
      message = undefined;
      if (skip !== undefined) {
        return [{ name, state: skip.startsWith("SKIP filter") ? "not chosen" : "skipped" }];
      }
      return [not ? { name, state: "failed", message: told } : { name, state: "passed" }];
    });
  },
};

/** A pattern that matches these names alone. */
export function patternOf(names) {
  return `^(?:${names.map((name) => name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("|")})$`;
}

function bin(name, ...path) {
  return join("node_modules", name, ...path);
}

/** An array with the value of a line, if the line is JSON. */
function parsed(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
