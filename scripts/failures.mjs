/**
 * A reporter that lists at the end, one per line, what has failed, because the end of a log is the part that people
 * see.
 */
import { stripVTControlCharacters } from "node:util";

export default class Failures {
  onTestRunEnd(modules, errors) {
    const lines = errors.map((error) => line("outside of any test", error));
    for (const module of modules) {
      const file = module.relativeModuleId;
      lines.push(...module.errors().map((error) => line(file, error)));
      for (const test of module.children.allTests("failed")) {
        lines.push(line(`${file} > ${test.fullName}`, test.result().errors[0]));
      }
    }
    if (lines.length > 0) {
      process.on("exit", () => console.error(`\nFailed:\n${lines.join("\n")}`));
    }
  }
}

function line(where, error) {
  const [what] = stripVTControlCharacters(error?.message ?? "").split("\n");
  return `  ${where}: ${what}`;
}
