/** A module for workers only. It stands for a module that is costly to load, or that the host doesn't trust. */
import { createHash } from "node:crypto";
import { isMain } from "knitting-native";

if (isMain) {
  throw new Error("the host has evaluated a module that is only for workers");
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
