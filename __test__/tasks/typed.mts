/** A task module in TypeScript, which the runtime reads by itself. */
import { isMain } from "knitting-native";

interface Pair {
  a: number;
  b: number;
}

export const add = ({ a, b }: Pair): number => a + b;
export const reportIsMain = (): boolean => isMain;
