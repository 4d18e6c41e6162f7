/** The program of bare.mjs, on any runtime. */
import process from "node:process";
import "../tasks.mjs";

process.stdin.resume();
process.stdin.on("end", () => process.exit());
console.log("started");
