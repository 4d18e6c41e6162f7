/** A task that the worker would take for another: one before it is defined in the host alone. */
import { isMain, task } from "knitting-native";

if (isMain) {
  task({ f: () => "of the host" });
}
export const first = task({ f: () => "first" });
export const second = task({ f: () => "second" });
