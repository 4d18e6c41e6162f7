/** Tasks that have pools to themselves. */
import { setTimeout as sleep } from "node:timers/promises";
import { isMain, setModuleUrl, task } from "knitting-native";

export const double = task({ f: (n) => n * 2 });
export const slow = task({ f: (n) => sleep(n, "slept"), timeout: { time: 30, default: "enough" } });
export const aborted = task({
  f: async (_, { signal }) => {
    await sleep(60_000, undefined, { signal }).catch(() => {});
    return "told";
  },
  abortSignal: true,
});
export const die = task({
  f: () => {
    setTimeout(() => {
      throw new Error("the end");
    });
    return new Promise(() => {});
  },
});

const makers = [1, 2, 3].map((n) => task({ f: (m) => n * m }));
export const multiply = (n) => makers[n - 1];

export { setModuleUrl };
export const late = () => task({ f: () => "late" });
export const isHost = isMain;
