/** The process of fresh.mjs: `node fresh-child.mjs <package folder> <options of createPool>` prints its figures. */
import { loadBuild } from "../builds.mjs";
import { timeStart } from "../scenarios.mjs";
import { Knitting } from "./knitting.mjs";

const [, , folder, options] = process.argv;
console.log(JSON.stringify(await timeStart(new Knitting("fresh", loadBuild(folder), JSON.parse(options)))));
