/**
 * Values that the runtime at one end has and the other doesn't have. Neither end has lied: only that call rejects, and
 * the worker goes on with the others.
 */
import { createPool, importTask, UnsupportedPayloadError } from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntime } from "../support/kinds";

const href = "../fixtures/tasks/foreign.mjs";
const tasks = {
  float16: importTask<boolean, unknown>({ href, name: "float16" }),
  modifiers: importTask<void, unknown>({ href, name: "modifiers" }),
  symbols: importTask<number, unknown>({ href, name: "symbols" }),
  throwsOne: importTask<void, unknown>({ href, name: "throwsOne" }),
  typeOf: importTask<unknown, string>({ href, name: "typeOf" }),
  pid: importTask<void, number>({ href, name: "pid" }),
};
const here = `Node ${process.versions.node}`;
const hasFloat16 = "Float16Array" in globalThis;
const hasModifiers = has(() => Reflect.construct(RegExp, ["(?i:a)b"]));

function has(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}

/** The number of symbols that one process accepts from others. */
const SYMBOLS = 65_536;

onEveryRuntime(({ worker }) => {
  test("a class of binary values that this host doesn't have rejects that call alone", async () => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.pid();
    const results = await Promise.allSettled([
      pool.call.typeOf("before"),
      pool.call.float16(false),
      pool.call.float16(true),
      pool.call.throwsOne(),
      pool.call.typeOf("after"),
    ]);
    expect([results[0], results[4]]).toMatchObject([{ value: "string" }, { value: "string" }]);
    const isForeign = worker.processRuntime !== undefined && worker.processRuntime !== "node";
    if (isForeign && !hasFloat16) {
      expect([results[1], results[2], results[3]]).toMatchObject([
        {
          reason: {
            path: "$[0].numbers",
            message: `$[0].numbers is a Float16Array, which ${here} doesn't have (result of task "float16")`,
          },
        },
        {
          reason: {
            path: "$",
            message: `$ is a Float16Array, which ${here} doesn't have (result of task "float16")`,
          },
        },
        { reason: { path: "$.detail" } },
      ]);
      expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(UnsupportedPayloadError);
    } else {
      expect([results[1].status, results[2].status]).toEqual(["fulfilled", "fulfilled"]);
      expect(results[3]).toMatchObject({ reason: { message: "odd" } });
    }
    expect(await pool.call.pid()).toBe(pid);
  });

  test("a pattern that this host doesn't know rejects that call alone", async () => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.pid();
    const [result] = await Promise.allSettled([pool.call.modifiers()]);
    if (hasModifiers || (result.status === "fulfilled" && result.value === "none")) {
      expect(result.status).toBe("fulfilled");
    } else {
      expect(result).toMatchObject({
        reason: {
          code: "KNITTING_UNSUPPORTED_PAYLOAD",
          path: '$.get("pattern")',
          message: expect.stringContaining(`can't be made by ${here}: Invalid regular expression`),
        },
      });
    }
    expect(await pool.call.pid()).toBe(pid);
  });

  test("more symbols than a process takes reject that call alone", async () => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.pid();
    await expect(pool.call.symbols(SYMBOLS + 1)).rejects.toMatchObject({
      code: "KNITTING_UNSUPPORTED_PAYLOAD",
      path: `$[${SYMBOLS}]`,
    });
    expect(await pool.call.symbols(10)).toHaveLength(10);
    expect(await pool.call.pid()).toBe(pid);
  });

  test("an argument that the worker's runtime can't make rejects that call alone", async () => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.pid();
    const tooMany = {
      list: Array.from({ length: SYMBOLS + 1 }, (_, index) => Symbol.for(`symbol ${index}`)),
    };
    const calls = Promise.allSettled([pool.call.typeOf(1), pool.call.typeOf(tooMany), pool.call.typeOf(2)]);
    expect(await calls).toMatchObject([
      { value: "number" },
      {
        reason: {
          code: "KNITTING_UNSUPPORTED_PAYLOAD",
          path: `$.list[${SYMBOLS}]`,
          message: expect.stringContaining(`is one symbol more than the ${SYMBOLS} different ones`),
        },
      },
      { value: "number" },
    ]);
    expect(await pool.call.pid()).toBe(pid);
  });
});
