/** The mark of this package's workers on their own `globalThis`. All copies of this package in one process share it. */
export const MARK = Symbol.for("knitting-native.worker");
