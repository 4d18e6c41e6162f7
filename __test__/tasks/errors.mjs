/** Tasks that throw. */
class OwnError extends Error {
  name = "OwnError";
  detail = { code: 7 };
}

export const throws = (kind) => {
  switch (kind) {
    case "TypeError":
      throw new TypeError("wrong type");
    case "cause":
      throw new RangeError("outer", { cause: new SyntaxError("inner", { cause: "innermost" }) });
    case "aggregate":
      throw new AggregateError([new Error("one"), new TypeError("two")], "both");
    case "own":
      throw new OwnError("own message");
    case "node":
      return Buffer.alloc("x");
    case "string":
      throw "just a string";
    case "undefined":
      throw undefined;
    case "unsendable":
      throw Object.assign(new Error("kept"), { callback() {}, kept: 1 });
    case "function":
      throw () => {};
    default:
      throw new Error(kind);
  }
};

export const rejects = async (kind) => throws(kind);
