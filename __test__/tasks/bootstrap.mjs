/** What workers begin with. */
import { setTimeout as sleep } from "node:timers/promises";
import { createPool, isMain, task } from "knitting-native";

export const setup = async (data) => {
  await sleep(20);
  globalThis.bootstrapped = { data, isMain, tasksCameFirst: globalThis.tasksAreHere === true };
};
export default (data) => {
  globalThis.bootstrapped = { data, byDefault: true };
};
export const fails = async (data) => {
  throw new RangeError(`can't begin with ${data}`);
};
export const opensPool = () => createPool()({ setup });
export const never = () => new Promise(() => setInterval(() => {}, 1e6));
export const notAFunction = 5;
export const aTask = task({ f: () => 1 });
