/**
 * `npm run compat -- <checkout>`: runs the suite of tinypool, piscina or workerpool over the facade of that name in
 * examples/compat/, in a temporary copy of the checkout. Cases that can't pass are listed in
 * examples/compat/left-out.json with the reason. Each of them runs alone, so none can spoil or hang another; those of
 * the kinds in `notRun`, whose outcome is a matter of chance, don't run.
 *
 * Exits with 1 if another case fails, if a listed case passes or is not there any more, or if nothing has run.
 *
 * `--node <path>` names another Node, `--left-out <file>` another list, `--only <text>` runs the cases that contain
 * the text, and `--keep` keeps the copy.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";
import ts from "typescript";
import { root } from "./addon.mjs";
import { PROJECTS } from "./compat/projects.mjs";
import { patternOf } from "./compat/runners.mjs";
import { ensureNodes } from "./runtimes.mjs";
import { ensureBuilt } from "./setup.mjs";

const NODE_MAJOR = 24;

/** Milliseconds that the cases of a file may take, and one case alone. */
const WATCHDOG = { file: 60_000, alone: 40_000 };

const facades = join(root, "examples", "compat");

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: "string" },
    "left-out": { type: "string", default: join(facades, "left-out.json") },
    only: { type: "string", default: "" },
    keep: { type: "boolean", default: false },
  },
});
const [checkout] = positionals;
if (positionals.length !== 1 || !existsSync(join(checkout, "package.json"))) {
  fail(`say the folder of a checkout: npm run compat -- <checkout of ${Object.keys(PROJECTS).join(", ")}>`);
}
const { name, version } = readJson(join(checkout, "package.json"));
const project = Object.hasOwn(PROJECTS, name) ? PROJECTS[name] : undefined;
if (project === undefined) {
  fail(`${checkout} is a checkout of "${name}"; known are ${Object.keys(PROJECTS).join(", ")}`);
}
const { kinds, notRun = [], [name]: listed } = readJson(options["left-out"]);

await ensureBuilt();
const node = options.node === undefined ? ensureNodes()[NODE_MAJOR] : resolve(options.node);
// Of some lengths of path vitest 4.1 takes a module from Node, past vi.mock: tinypool's tests of limits notice it.
const parent = mkdtempSync(join(tmpdir(), "compat-"));
try {
  const copy = prepare(parent);
  console.log(`${name} ${version} over examples/compat/${project.facade}, in ${copy}`);
  if (listed !== undefined && listed.version !== version) {
    console.log(`The list of cases left out was written for ${name} ${listed.version}.`);
  }
  process.exitCode = report(await runSuite(copy)) ? 0 : 1;
} finally {
  if (!options.keep) {
    rmSync(parent, { recursive: true, force: true });
  }
}

/** Copies the checkout beside a copy of this package, and puts the facade in the place of the project's own entry. */
function prepare(folder) {
  const copy = join(folder, "checkout");
  const left = new Set(["node_modules", ".git"]);
  cpSync(checkout, copy, { recursive: true, filter: (path) => !left.has(basename(path)) });
  const installed = resolve(checkout, "node_modules");
  if (existsSync(installed)) {
    symlinkSync(installed, join(copy, "node_modules"));
  } else {
    const flags = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"];
    const { status } = spawnSync("npm", ["install", ...flags], { cwd: copy, stdio: "inherit" });
    if (status !== 0) {
      fail("npm install failed in the copy; install the checkout's packages yourself, and they are used");
    }
  }
  for (const part of ["package.json", "dist", "npm"]) {
    cpSync(join(root, part), join(folder, "node_modules", "knitting-native", part), { recursive: true });
  }
  const facade = readFileSync(join(facades, project.facade), "utf8");
  const files = { ...Object.fromEntries(project.entries.map((path) => [path, facade])), ...project.modules };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    writeFileSync(join(copy, path), `${text}\n`);
  }
  for (const path of readdirSync(copy, { recursive: true })) {
    if (project.compiled?.test(path)) {
      writeFileSync(join(copy, path), compile(readFileSync(join(copy, path), "utf8")));
    }
  }
  return copy;
}

function compile(source) {
  const compilerOptions = { module: "commonjs", target: "es2022", esModuleInterop: true };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

/** Runs everything. Returns the cases: `{ key, state, message, reason }`. */
async function runSuite(copy) {
  const files = readdirSync(copy, { recursive: true })
    .filter((path) => project.suite.test(path))
    .sort();
  const reasons = { ...listed?.cases };
  const cases = [];
  const jobs = [];
  for (const file of files) {
    if (reasons[file] !== undefined) {
      // A whole file, which is about parts that no user of the project sees.
      cases.push({ key: file, state: "not run", reason: reasons[file] });
      continue;
    }
    const listing = await start(copy, project.runner.listing(file), WATCHDOG.alone);
    const names = [...listing.results.keys()].filter((each) => `${file}: ${each}`.includes(options.only));
    const plain = names.filter((each) => reasons[`${file}: ${each}`] === undefined);
    if (listing.results.size === 0) {
      cases.push({ key: file, state: "failed", message: `no case is found in it: ${listing.tail}` });
    }
    if (plain.length > 0) {
      cases.push(...(await runCases(copy, file, plain, WATCHDOG.file)));
    }
    for (const each of names.filter((name) => !plain.includes(name))) {
      const key = `${file}: ${each}`;
      const reason = reasons[key];
      if (notRun.includes(reason)) {
        cases.push({ key, state: "not run", reason });
        continue;
      }
      jobs.push(async () => {
        const [outcome] = await runCases(copy, file, [each], WATCHDOG.alone);
        cases.push({ ...outcome, reason });
      });
    }
  }
  const take = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      await job();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, take));
  const gone = Object.keys(reasons).filter(
    (key) => key.includes(options.only) && !cases.some((each) => each.key === key),
  );
  return [...cases, ...gone.map((key) => ({ key, state: "gone", reason: reasons[key] }))];
}

/** Runs some cases of a file in one process. */
async function runCases(copy, file, names, watchdog) {
  const { results, tail, ending } = await start(
    copy,
    project.runner.command(file, patternOf(names)),
    watchdog,
  );
  const cases = names.map((each) => {
    const result = results.get(each);
    const state = result === undefined || result.state === "not chosen" ? "failed" : result.state;
    return { key: `${file}: ${each}`, state, message: result?.message ?? `${ending}\n${tail}` };
  });
  // What a runner reports under another name, such as an assertion after the end of its case.
  const others = [...results].filter(([each, { state }]) => !names.includes(each) && state === "failed");
  if (names.length === 1 && others.length > 0) {
    return [{ ...cases[0], state: "failed" }];
  }
  return [
    ...cases,
    ...others.map(([each, { message = tail }]) => ({ key: `${file}: ${each}`, state: "failed", message })),
  ];
}

/** Runs a program in the copy. Resolves with the results that it wrote, the last lines and how it ended. */
function start(copy, { argv, env }, watchdog) {
  return new Promise((done, reject) => {
    // A suite that runs below vitest must not take itself for a part of it.
    const inherited = Object.entries(process.env).filter(([key]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(key));
    const child = spawn(node, argv, {
      cwd: copy,
      env: { ...Object.fromEntries(inherited), ...env },
      // A group of its own, which is killed as a whole.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8").on("data", (text) => {
        output[stream] += text;
      });
    }
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      process.kill(-child.pid, "SIGKILL");
    }, watchdog);
    child.on("error", reject);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      const results = new Map();
      for (const { name: each, state, message } of project.runner.read(output.stdout.split("\n"))) {
        // Cases of one name count as one.
        if (results.get(each)?.state !== "failed") {
          results.set(each, { state, message });
        }
      }
      const ending = hung
        ? `It did not end within ${watchdog} ms.`
        : `It ended with ${signal ?? `status ${status}`}.`;
      const tail = stripVTControlCharacters(`${output.stdout}${output.stderr}`).trim().slice(-1500);
      done({ results, tail, ending });
    });
  });
}

/** Prints the table. Returns whether all is as it should be. */
function report(cases) {
  const plain = cases.filter(({ reason }) => reason === undefined);
  const left = cases.filter(({ reason }) => reason !== undefined);
  const passed = plain.filter(({ state }) => state === "passed");
  const skipped = plain.filter(({ state }) => state === "skipped");
  const failed = plain.filter(({ state }) => state === "failed");
  const back = left.filter(({ state }) => state === "passed" || state === "skipped");
  const gone = left.filter(({ state }) => state === "gone");
  const rows = [
    ["passed", passed.length],
    ["skipped by the suite", skipped.length],
    ...Object.entries(kinds)
      .map(([kind, why]) => [`left out: ${why}`, left.filter(({ reason }) => reason === kind).length])
      .filter(([, count]) => count > 0),
    ["failed", failed.length],
  ];
  const width = Math.max(...rows.map(([, count]) => String(count).length));
  console.log(rows.map(([what, count]) => `${String(count).padStart(width)}  ${what}`).join("\n"));
  const unknown = left.filter(({ reason }) => !Object.hasOwn(kinds, reason));
  const problems = [
    ...failed.map(({ key, message }) => `failed: ${key}\n${indent(message)}`),
    ...back.map(({ key }) => `is on the list and does not fail: ${key}`),
    ...gone.map(({ key }) => `is on the list and not in the suite: ${key}`),
    ...unknown.map(
      ({ key, reason }) => `is on the list for "${reason}", which has no entry in "kinds": ${key}`,
    ),
    ...(passed.length === 0 ? ["no case has passed"] : []),
  ];
  if (problems.length > 0) {
    console.log(`\n${problems.join("\n")}`);
  }
  return problems.length === 0;
}

function indent(text) {
  return String(text).trim().slice(0, 1500).replace(/^/gm, "    ");
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function fail(message) {
  console.error(`npm run compat: ${message}`);
  process.exit(1);
}
