/** No worker at all: the tasks run in the thread that calls them. */
import * as tasks from "../tasks.mjs";

export class InLine {
  name = "in line";
  kind = "thread";
  ours = false;
  cannot = {};
  tasks = Object.fromEntries(
    Object.entries(tasks).map(([name, task]) => [name, async (argument) => task(argument)]),
  );

  async start() {}

  async stop() {}
}
