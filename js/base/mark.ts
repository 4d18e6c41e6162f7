/** The mark of our workers on their own `globalThis`; shared by all copies of this package in one process. */
export const MARK = Symbol.for("knitting-native.worker");
