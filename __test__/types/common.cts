/** From CommonJS. */
import { createPool } from "knitting-native";

import knitting = require("knitting-native");

const add = ([a, b]: [number, number]) => a + b;

export const pool = createPool({ threads: 2 })({ add });
export const sum: Promise<number> = pool.call.add([1, 2]);
export const isHost: boolean = knitting.isMain;
// @ts-expect-error wrong argument
pool.call.add("1");
