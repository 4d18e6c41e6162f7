/** Values that not every runtime can make. */
export const float16 = (outermost) => {
  const { Float16Array } = globalThis;
  if (Float16Array === undefined) {
    return "none";
  }
  const numbers = Float16Array.of(...new Array(100).fill(1.5));
  return outermost ? numbers : [{ numbers }];
};
export const modifiers = () => {
  try {
    return new Map([["pattern", Reflect.construct(RegExp, ["(?i:a)b"])]]);
  } catch {
    return "none";
  }
};
export const symbols = (count) => Array.from({ length: count }, (_, index) => Symbol.for(`symbol ${index}`));
export const throwsOne = () => {
  throw Object.assign(new Error("odd"), { detail: globalThis.Float16Array?.of(1) });
};
export const typeOf = (value) => typeof value;
export const pid = () => process.pid;
