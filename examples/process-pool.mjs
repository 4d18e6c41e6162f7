/**
 * Two processes share the calls of one exported function. The workers import this file and take the export by its name,
 * so code that is only for the host stands behind `isMain`.
 */
import { createPool, isMain } from "knitting-native";

export function countPrimes(below) {
  let count = 0;
  for (let n = 2; n < below; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) {
      divisor++;
    }
    count += divisor * divisor > n ? 1 : 0;
  }
  return count;
}

if (isMain) {
  const pool = createPool({
    threads: 2,
    worker: { runtime: "process", processRuntime: "node" },
  })({ countPrimes });
  try {
    // Both calls are made before the first is awaited, so each runs in a process of its own.
    const counts = [pool.call.countPrimes(1_000), pool.call.countPrimes(100_000)];
    console.log(await Promise.all(counts)); // [ 168, 9592 ]
  } finally {
    await pool.shutdown();
  }
}
