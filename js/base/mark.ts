/**
 * The mark of this package's workers on their own `globalThis`: an object that says which worker it is. All copies of
 * this package in one process share it.
 */
export const MARK = Symbol.for("knitting-native.worker");
