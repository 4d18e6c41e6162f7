/** `process-pool.mjs` for CommonJS: the task is a property of `exports`, and the host's part is an async function. */
const { createPool, isMain } = require("knitting-native");

exports.countVowels = (text) => text.match(/[aeiou]/gi)?.length ?? 0;

async function main() {
  const pool = createPool({
    threads: 2,
    worker: { runtime: "process", processRuntime: "node" },
  })({ countVowels: exports.countVowels });
  try {
    const counts = [pool.call.countVowels("knit one"), pool.call.countVowels("purl two, repeat")];
    console.log(await Promise.all(counts)); // [ 3, 5 ]
  } finally {
    await pool.shutdown();
  }
}

if (isMain) {
  main();
}
