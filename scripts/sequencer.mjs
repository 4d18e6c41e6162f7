/** The order of the suites: vitest begins with the largest files, this with those that take longest. */
import { BaseSequencer } from "vitest/node";
import { LONG } from "./suites.mjs";

const isLong = ({ moduleId }) => LONG.some((name) => moduleId.endsWith(`/${name}.test.ts`));

export default class LongestFirst extends BaseSequencer {
  async sort(files) {
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
