/** Work that takes processor time: in native code, so that a fresh worker is as quick as one that has run for long. */
import { pbkdf2Sync } from "node:crypto";

export function derive({ index, iterations }) {
  return pbkdf2Sync("password", `salt ${index}`, iterations, 8, "sha256").toString("hex");
}
