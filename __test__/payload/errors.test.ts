import { statSync } from "node:fs";
import { parse } from "node:querystring";
import { createPool, importTask, PayloadTooLargeError, UnsupportedPayloadError } from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntimeInGate } from "../support/kinds";

const tasks = {
  throws: importTask<string, never>({ href: "../fixtures/tasks/errors.mjs", name: "throws" }),
  rejects: importTask<string, never>({ href: "../fixtures/tasks/errors.mjs", name: "rejects" }),
  unsendable: importTask<string, unknown>({ href: "../fixtures/tasks/basic.mjs", name: "unsendable" }),
  echo: importTask<unknown, unknown>({ href: "../fixtures/tasks/basic.mjs", name: "echo" }),
  environment: importTask<void, unknown>({ href: "../fixtures/tasks/basic.mjs", name: "environment" }),
};

onEveryRuntimeInGate(({ worker, isProcess }) => {
  for (const how of ["throws", "rejects"] as const) {
    test(`what a task ${how} arrives as the same class with its properties`, async () => {
      await using pool = createPool({ worker })(tasks);
      const caught = (kind: string) =>
        pool.call[how](kind).catch((error: unknown) => error) as Promise<never>;

      const typeError: Error = await caught("TypeError");
      expect(Object.getPrototypeOf(typeError)).toBe(TypeError.prototype);
      expect(typeError.message).toBe("wrong type");
      expect(typeError.stack).toContain("errors.mjs");

      const outer: Error = await caught("cause");
      expect(outer).toBeInstanceOf(RangeError);
      expect(outer.cause).toBeInstanceOf(SyntaxError);
      expect((outer.cause as Error).cause).toBe("innermost");

      const aggregate: AggregateError = await caught("aggregate");
      expect(aggregate).toBeInstanceOf(AggregateError);
      expect(aggregate.errors.map((error) => error.constructor)).toEqual([Error, TypeError]);

      const own: Error & { detail: unknown } = await caught("own");
      expect(Object.getPrototypeOf(own)).toBe(Error.prototype);
      expect(own.name).toBe("OwnError");
      expect(own.message).toBe("own message");
      expect(own.detail).toEqual({ code: 7 });

      const node: Error & { code: string } = await caught("node");
      expect(node).toBeInstanceOf(TypeError);
      expect(node.code).toBe("ERR_INVALID_ARG_TYPE");

      expect(await caught("string")).toBe("just a string");
      expect(await caught("undefined")).toBeUndefined();
    });
  }

  test("of a thrown error everything that can be sent is", async () => {
    await using pool = createPool({ worker })(tasks);
    const error = await pool.call.throws("unsendable").catch((error: unknown) => error);
    expect(error).toMatchObject({ message: "kept", kept: 1 });
    expect(error).not.toHaveProperty("callback");
    expect(error).toHaveProperty("unsent", ["$.callback is a function"]);
    const other = await pool.call.throws("function").catch((error: unknown) => error);
    expect(other).toBeInstanceOf(UnsupportedPayloadError);
  });

  test("whatever is thrown keeps its name, message and stack, and says what is left out", async () => {
    await using pool = createPool({ worker, payload: { maxPayloadBytes: 100_000 } })(tasks);
    const caught = (kind: string) =>
      pool.call.throws(kind).catch((error: unknown) => error) as Promise<never>;

    const object: Error = await caught("object");
    expect(object).toBeInstanceOf(Error);
    const { name, message, stack, ...rest } = object;
    expect([name, message, stack]).toEqual(["HttpError", "plain object", "where"]);
    expect(rest).toEqual({ status: 500, unsent: ["$.retry is a function"] });

    const instance: Error = await caught("instance");
    expect(instance.message).toBe("no Error");
    expect({ ...instance }).toEqual({
      status: 404,
      unsent: ["$ is an instance of Thrown, send its own data as { ...value }"],
    });

    const bare: Error = await caught("bare object");
    expect(bare.message).toBe("what was thrown can't be sent: $.retry.again is a function");
    expect({ ...bare }).toEqual({ status: 500, unsent: ["$.retry.again is a function"] });

    const outer: Error = await caught("nested");
    expect(outer).not.toHaveProperty("unsent");
    expect(outer.cause).toMatchObject({ message: "inner", port: 1, unsent: ["$.socket is a WeakMap"] });

    expect(await caught("deep part")).toMatchObject({
      message: "kept",
      unsent: [
        "$.details.list[1] is a function",
        '$["no name"] is a symbol, only those of Symbol.for can be sent',
      ],
    });

    const getters: Error & { unsent: string[] } = await caught("getters");
    expect(getters.message).toBe("kept");
    // An engine that makes the stack when it is read needs the name for that.
    for (const start of [/^\$\.name can't be read: /, /^\$\.part can't be read: /]) {
      expect(getters.unsent).toContainEqual(expect.stringMatching(start));
    }

    for (const [kind, start] of [
      ["large", /^l{8000,}…$/],
      ["large part", /^kept$/],
    ] as const) {
      const large: Error & { unsent: string[] } = await caught(kind);
      expect([large.name, large.message]).toEqual(["RangeError", expect.stringMatching(start)]);
      expect(large.stack).toContain("RangeError: ");
      expect(large.unsent[0]).toMatch(
        /the error of task "throws" takes [36]\d{5} bytes, at most 100000 are possible/,
      );
    }
  });

  test("objects whose prototypes have nothing are sent, and others name the way", async () => {
    await using pool = createPool({ worker, permission: "unsafe" })(tasks);
    const { PATH } = process.env;
    expect(await pool.call.echo(process.env)).toEqual({ ...process.env });
    expect(await pool.call.environment()).toMatchObject({ PATH });
    const query = parse("a=1&b=2&a=3");
    expect(await pool.call.echo([query, { query }])).toEqual([
      { a: ["1", "3"], b: "2" },
      { query: { a: ["1", "3"], b: "2" } },
    ]);
    const stats = statSync(__filename);
    await expect(pool.call.echo({ stats })).rejects.toThrow(
      "$.stats is an instance of Stats, send its own data as { ...value }",
    );
    expect(await pool.call.echo({ ...stats })).toEqual({ ...stats });
    class Empty {
      data = 1;
    }
    await expect(pool.call.echo(new Empty())).rejects.toThrow("$ is an instance of Empty");
    await expect(pool.call.echo(Object.create({ inherited: 1 }))).rejects.toThrow(UnsupportedPayloadError);
  });

  test("a result that can't be encoded rejects that call alone, with its path", async () => {
    await using pool = createPool({ worker })(tasks);
    const others = Array.from({ length: 100 }, (_, index) => pool.call.echo(index));
    const refused = (kind: string) => expect(pool.call.unsendable(kind)).rejects;
    await refused("function").toThrow('$.a.b[1] is a function (result of task "unsendable")');
    await refused("function").toThrow(UnsupportedPayloadError);
    await refused("symbol").toThrow("$ is a symbol");
    await refused("weakMap").toThrow("$ is a WeakMap");
    await refused("promise").toThrow("$.later is a Promise");
    await refused("instance").toThrow("$.point is an instance of Point");
    await refused("deep").toThrow(/^\$(\[0\]){500} is nested more than 500 levels deep \(result/);
    await refused("getter").toThrow("$.x can't be read: from the getter");
    await expect(pool.call.unsendable("getter").catch(({ cause }) => cause)).resolves.toBeInstanceOf(
      RangeError,
    );
    expect(await Promise.all(others)).toHaveLength(100);
  });

  test("a result that can't even be looked at rejects that call alone", async () => {
    await using pool = createPool({ worker })(tasks);
    const others = Array.from({ length: 10 }, (_, index) => pool.call.echo(index));
    await expect(pool.call.unsendable("throwingThen")).rejects.toThrow("from the then getter");
    await expect(pool.call.unsendable("message")).rejects.toThrow();
    expect(await Promise.all(others)).toHaveLength(10);
    expect(await pool.call.echo("served")).toBe("served");
  });

  test("an argument that can't be encoded rejects that call alone, with its path", async () => {
    await using pool = createPool({ worker })(tasks);
    const refused = (value: unknown) => expect(pool.call.echo(value)).rejects;
    await refused({ user: { callback() {} } }).toThrow(
      '$.user.callback is a function (argument of task "echo")',
    );
    await refused({ "a-b": [{ c: Symbol("x") }] }).toThrow('$["a-b"][0].c is a symbol');
    await refused(new WeakSet()).toThrow("$ is a WeakSet");
    if (isProcess) {
      const advice = /^\$\.part is shared memory of this process \(SharedArrayBuffer\).*ProcessSharedBuffer/;
      await refused({ part: new SharedArrayBuffer(8) }).toThrow(advice);
      await refused({ part: new Uint8Array(new SharedArrayBuffer(80)) }).toThrow(advice);
    }
    const detached = new Uint8Array(100);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await refused({ detached }).toThrow("$.detached is a detached Uint8Array");
    const getter = {
      get x(): never {
        throw new Error("from the host's getter");
      },
    };
    await refused(getter).toThrow("$.x can't be read: from the host's getter");
    expect(await pool.call.echo("still served")).toBe("still served");
  });

  test("a getter of an argument may itself make calls", async () => {
    await using pool = createPool({ worker })(tasks);
    const inner: Promise<unknown>[] = [];
    const argument = {
      get calls() {
        for (let index = 0; index < 3_000; index++) {
          inner.push(pool.call.echo({ index }));
        }
        return inner.length;
      },
      text: "x".repeat(100),
    };
    expect(await pool.call.echo(argument)).toEqual({ calls: 3_000, text: "x".repeat(100) });
    expect(await Promise.all(inner)).toEqual(Array.from({ length: 3_000 }, (_, index) => ({ index })));
  });

  test("a getter of an argument may even shut the pool down", async () => {
    const pool = createPool({ worker })(tasks);
    await pool.call.echo(1);
    const argument = {
      get end() {
        return String(pool.shutdown());
      },
    };
    await expect(pool.call.echo(argument)).rejects.toThrow("Thread closed");
  });

  test("a value as large as the arena fits, also after smaller ones", async () => {
    await using pool = createPool({ worker })(tasks);
    const bytes = 256 * 1024 * 1024;
    expect(await pool.call.echo("x".repeat(1_000))).toHaveLength(1_000);
    const whole = (await pool.call.echo(new Uint8Array(bytes).fill(5))) as Uint8Array;
    expect([whole.length, whole[0], whole[bytes - 1]]).toEqual([bytes, 5, 5]);
    expect(await pool.call.echo("abc".repeat(100))).toHaveLength(300);
  });

  test("a value larger than the arena is refused with both sizes, on either side", async () => {
    await using pool = createPool({ worker })(tasks);
    const bytes = 256 * 1024 * 1024 + 1;
    const error = await pool.call.echo(new Uint8Array(bytes)).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({ byteLength: bytes, maxByteLength: 256 * 1024 * 1024 });
    expect(await pool.call.echo(1)).toBe(1);
  });
});
