/** A module that makes pools of its own exports. */
import { createPool, isMain, task } from "knitting-native";

export const add = ([a, b]) => a + b;
export const typed = task({ f: (text) => text.length });
export const isHost = () => isMain;
export const poolOf = (options) => createPool(options)({ add, typed, isHost });
export const poolOfUnexported = () => createPool()({ hidden: () => 1 });

class Refusal extends Error {
  name = "Refusal";
}
export const throws = (kind) => {
  const cause = new RangeError("deep");
  const error = new { TypeError, AggregateError: Error, Refusal }[kind]("no", { cause });
  throw kind === "AggregateError"
    ? new AggregateError([cause], "no")
    : Object.assign(error, { detail: { at: 1 } });
};
