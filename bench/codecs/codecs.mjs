/**
 * The codecs that were compared. Each encodes any value of this package's payloads into bytes, or throws, and decodes
 * it again.
 */
import { createRequire } from "node:module";
import { deserialize, serialize } from "node:v8";
import { Encoder as Cbor } from "cbor-x";
import { Packr } from "msgpackr";

const require = createRequire(import.meta.url);
const { withEncoder } = require("../../build/payload/encode.js");
const { Decoder } = require("../../build/payload/decode.js");

const msgpackr = new Packr({ structuredClone: true });
const cbor = new Cbor({ structuredClone: true });

export const codecs = {
  ours: {
    encode: (value) => withEncoder(value, false, (encoder) => encoder.toBytes()),
    decode: ({ buffer, byteOffset, byteLength }) =>
      new Decoder(buffer, byteOffset, byteLength).decode(0, byteLength),
  },
  "JSON, tagged": {
    encode: (value) => Buffer.from(JSON.stringify(value, tag)),
    decode: (bytes) => JSON.parse(bytes.toString(), untag),
  },
  msgpackr: { encode: (value) => msgpackr.pack(value), decode: (bytes) => msgpackr.unpack(bytes) },
  "cbor-x": { encode: (value) => cbor.encode(value), decode: (bytes) => cbor.decode(bytes) },
  "node:v8": { encode: serialize, decode: deserialize },
};

/** Values that JSON lacks are objects with this key, and so is an object that has the key itself. */
const TAG = "$";
/** Objects that represent another value. They are not escaped once more. */
const made = new WeakSet();

function tag(key) {
  // The second argument is the result of toJSON.
  const value = this[key];
  const tagged = (kind, content) => {
    const object = { [TAG]: kind, content };
    made.add(object);
    return object;
  };
  switch (typeof value) {
    case "undefined":
      return tagged("undefined");
    case "bigint":
      return tagged("bigint", String(value));
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0) ? value : tagged("number", numberText(value));
    case "object":
      return value === null ? null : tagObject(value, tagged);
    default:
      return value;
  }
}

function numberText(value) {
  return Object.is(value, -0) ? "-0" : String(value);
}

function tagObject(value, tagged) {
  if (value instanceof Date) {
    return tagged("date", value.getTime());
  }
  if (value instanceof Map || value instanceof Set) {
    return tagged(value instanceof Map ? "map" : "set", [...value]);
  }
  if (value instanceof Uint8Array) {
    return tagged("bytes", Buffer.from(value).toString("base64"));
  }
  return Object.hasOwn(value, TAG) && !made.has(value) ? tagged("object", Object.entries(value)) : value;
}

const KINDS = {
  undefined: () => undefined,
  bigint: BigInt,
  number: Number,
  date: (millis) => new Date(millis),
  map: (entries) => new Map(entries),
  set: (members) => new Set(members),
  bytes: (text) => new Uint8Array(Buffer.from(text, "base64")),
  object: (entries) => Object.fromEntries(entries),
};

function isTagged(value) {
  return Object.hasOwn(value, TAG) && Object.hasOwn(KINDS, value[TAG]);
}

function untag(_key, value) {
  return typeof value === "object" && value !== null && isTagged(value)
    ? KINDS[value[TAG]](value.content)
    : value;
}
