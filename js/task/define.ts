/**
 * Checks and definitions of `task` and `importTask`, used in the host and in a worker. What a task can do differs
 * between the two.
 */
import { InvalidOptionError } from "../base/errors";
import { describe, record, refuse, refuseUnknown } from "../base/validate";
import { callerFile } from "./caller";
import { type AbortForm, type Definition, registerTask, type TaskFunction } from "./definition";
import { moduleHref } from "./module-url";
import { timeLimitOf } from "./time-limit";

const LIMITS = ["timeout", "abortSignal"];

/** Defines a task by its function, as the next task of the calling module. Throws `InvalidOptionError`. */
export function defineLocal(given: unknown): Definition {
  const definition = record("task", "definition", given, "an object: { f }");
  refuseUnknown("task", definition, ["f", ...LIMITS]);
  const { f } = definition;
  if (typeof f !== "function") {
    throw new InvalidOptionError(`task: "f" is ${describe(f)}, it must be a function`);
  }
  const limits = limitsOf("task", definition);
  return { origin: registerTask(callerFile(), f as TaskFunction), ...limits };
}

/** Defines a task by its module and export. Throws `InvalidOptionError`. */
export function defineImported(given: unknown): Definition {
  const definition = record("importTask", "definition", given, "an object: { href, name }");
  refuseUnknown("importTask", definition, ["href", "name", ...LIMITS]);
  const { name = "default" } = definition;
  const href = moduleHref("importTask", "href", definition.href, callerFile());
  if (typeof name !== "string" || name === "") {
    throw new InvalidOptionError(`importTask: "name" is ${describe(name)}, it must be the name of an export`);
  }
  return { origin: { kind: "imported", href, name }, ...limitsOf("importTask", definition) };
}

function limitsOf(
  caller: string,
  { timeout, abortSignal = false }: { timeout?: unknown; abortSignal?: unknown },
): Pick<Definition, "limit" | "abortable"> {
  return {
    limit: timeLimitOf(caller, "timeout", timeout),
    abortable: abortableOf(caller, abortSignal),
  };
}

function abortableOf(caller: string, abortSignal: unknown): AbortForm {
  if (typeof abortSignal === "boolean") {
    return abortSignal;
  }
  const form = record(caller, "abortSignal", abortSignal, "true, false or { hasAborted: true }");
  refuseUnknown(caller, form, ["hasAborted"], "abortSignal.");
  if (form.hasAborted !== true) {
    refuse(caller, "abortSignal.hasAborted", form.hasAborted, "true");
  }
  return "partial";
}
