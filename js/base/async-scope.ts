/**
 * The stores of `AsyncLocalStorage` in which functions of the user's run.
 *
 * A function runs in the stores of the place that gave it to this package, as the handlers of a promise do. Otherwise it
 * would run in those of whatever woke the lane last, which may be another caller's call.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Runs a function in the stores that held where the scope was taken. */
export type AsyncScope = <Parameters extends unknown[], Result>(
  run: (...parameters: Parameters) => Result,
  ...parameters: Parameters
) => Result;

/** Takes the stores that hold now. That takes a moment, so calls which need no scope take none. */
export function currentScope(): AsyncScope {
  return AsyncLocalStorage.snapshot();
}
