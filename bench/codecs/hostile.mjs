/**
 * What each codec does with bytes that no honest encoder has written. Each attempt runs in a separate process, because
 * some don't survive it.
 *
 *   node hostile.mjs <codec> <attempt>    makes one attempt and prints the outcome
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { codecs } from "./codecs.mjs";

const LIMIT_MILLIS = 20_000;
const HEAP_MEGABYTES = 256;
const FLIPS = 20_000;
const COLLIDING = 30_000;

export const attempts = {
  "keys called __proto__": (codec) => {
    const honest = codec.encode({ xxproto__: { polluted: true } });
    const bytes = Buffer.from(honest.toString("latin1").replace("xxproto__", "__proto__"), "latin1");
    const value = codec.decode(bytes);
    return Object.hasOwn(value, "__proto__")
      ? "own data"
      : value.polluted
        ? "changes the prototype"
        : "dropped";
  },
  "20,000 bytes cut or with bits flipped": (codec) => {
    const honest = codec.encode({ list: [1, "two", { three: 3n }], map: new Map([["k", new Date(0)]]) });
    let random = 1;
    const next = (below) => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      return Math.floor((random / 2 ** 32) * below);
    };
    let values = 0;
    for (let count = 0; count < FLIPS; count++) {
      const bytes = Buffer.from(honest);
      bytes[next(bytes.length)] ^= 1 << next(8);
      try {
        codec.decode(next(2) === 0 ? bytes : bytes.subarray(0, next(bytes.length)));
        values++;
      } catch {}
    }
    return `${((100 * values) / FLIPS).toFixed(0)} % taken for values`;
  },
  "lists 100,000 deep": (codec, name) => {
    const level = { ours: [10, 1], "JSON, tagged": [0x5b], msgpackr: [0x91], "cbor-x": [0x81] }[name];
    const depth = 100_000;
    const bytes =
      name === "node:v8"
        ? Buffer.concat([Buffer.from([0xff, 0x0f]), Buffer.alloc(depth * 2, Buffer.from([0x41, 1]))])
        : Buffer.alloc(depth * level.length, Buffer.from(level));
    return decodeOnce(codec, bytes);
  },
  "a list of 2^31 in a few bytes": (codec, name) => {
    const claim = {
      ours: [10, 0x80, 0x80, 0x80, 0x80, 0x08],
      "JSON, tagged": [0x5b],
      msgpackr: [0xdd, 0x80, 0, 0, 0],
      "cbor-x": [0x9a, 0x80, 0, 0, 0],
      "node:v8": [0xff, 0x0f, 0x41, 0x80, 0x80, 0x80, 0x80, 0x08],
    };
    return decodeOnce(codec, Buffer.from(claim[name]));
  },
  "30,000 keys of a Map that collide": (codec) => {
    const time = (keys) => {
      const map = new Map(keys.map((key) => [key, 0]));
      const bytes = codec.encode(map);
      const start = performance.now();
      const came = decodeOnce(codec, bytes);
      return [performance.now() - start, came];
    };
    const honest = time(Array.from({ length: COLLIDING }, (_, index) => BigInt(index)))[0];
    // V8 hashes the lowest 64 bits of a bigint.
    const [chosen, came] = time(Array.from({ length: COLLIDING }, (_, index) => (BigInt(index) << 64n) + 1n));
    return `${came}, ${(chosen / honest).toFixed(0)} times as long as honest ones`;
  },
  "makes code of names it has received": (codec) => {
    const before = globalThis.Function;
    let made = 0;
    globalThis.Function = new Proxy(before, {
      construct(target, argumentsList) {
        made++;
        return Reflect.construct(target, argumentsList);
      },
      apply(target, self, argumentsList) {
        made++;
        return Reflect.apply(target, self, argumentsList);
      },
    });
    const bytes = codec.encode(Array.from({ length: 100 }, (_, index) => ({ first: index, second: index })));
    for (let count = 0; count < 200; count++) {
      codec.decode(Buffer.from(bytes));
    }
    return made > 0 ? "yes" : "no";
  },
};

/** Makes every attempt on every codec. */
export function attack() {
  return Object.keys(attempts).map((attempt) => ({
    attempt,
    came: Object.fromEntries(Object.keys(codecs).map((codec) => [codec, outcome(codec, attempt)])),
  }));
}

function outcome(codec, attempt) {
  const flags = [`--max-old-space-size=${HEAP_MEGABYTES}`];
  const { status, signal, stdout, error } = spawnSync(
    process.execPath,
    [...flags, fileURLToPath(import.meta.url), codec, attempt],
    { encoding: "utf8", timeout: LIMIT_MILLIS, killSignal: "SIGKILL" },
  );
  if (error?.code === "ETIMEDOUT") {
    return `no end within ${LIMIT_MILLIS / 1e3} s`;
  }
  return status === 0 ? stdout.trim() : `the process dies (${signal ?? `status ${status}`})`;
}

function decodeOnce(codec, bytes) {
  try {
    codec.decode(bytes);
    return "a value";
  } catch (error) {
    return `refused (${error.constructor.name})`;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , codec, attempt] = process.argv;
  try {
    console.log(attempts[attempt](codecs[codec], codec));
  } catch (error) {
    console.log(`refused (${error.constructor.name})`);
  }
}
