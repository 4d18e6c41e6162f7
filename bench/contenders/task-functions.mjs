/** The tasks of bench/tasks.mjs as functions of the host. */
import * as tasks from "../tasks.mjs";

const NAMES = Object.keys(tasks);
/** How long a worker is kept, so that another one takes the next call. */
const KEPT_MILLIS = 2;

/** An object with a function for each task. `toFunction` makes it of the task's name. */
export function taskFunctions(toFunction) {
  return Object.fromEntries(NAMES.map((name) => [name, toFunction(name)]));
}

/** Resolves when each of the workers has answered a call. */
export async function everyAnswer({ serve }, workers) {
  const millis = workers > 1 ? KEPT_MILLIS : 0;
  const answered = new Set();
  while (answered.size < workers) {
    const answers = await Promise.all(
      Array.from({ length: workers }, (_, index) => serve({ index, millis })),
    );
    for (const { worker } of answers) {
      answered.add(worker);
    }
  }
}
