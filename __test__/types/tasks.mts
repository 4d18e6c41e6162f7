/** Tasks as a module exports them. */
import { importTask } from "knitting-native";

export const add = ([a, b]: [number, number]) => a + b;
export const parse = importTask<string, Date>({ href: "./dates.js", name: "parse" });
