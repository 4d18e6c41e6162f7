/** Pools without restrictions, for tasks that start programs, read variables, or print. */
import * as knitting from "knitting-native";

export function createPool(options: knitting.PoolOptions = {}): ReturnType<typeof knitting.createPool> {
  return knitting.createPool({ permission: "unsafe", ...options });
}
