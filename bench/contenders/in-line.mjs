/** No worker at all: the tasks run in the thread that calls them. */
import * as tasks from "../tasks.mjs";
import { taskFunctions } from "./task-functions.mjs";

export class InLine {
  name = "in line";
  kind = "thread";
  ours = false;
  cannot = {};
  tasks = taskFunctions((name) => async (argument) => tasks[name](argument));

  async start() {}

  async stop() {}
}
