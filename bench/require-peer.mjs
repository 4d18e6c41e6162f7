/** The exports of a package of bench/peers, for hosts and workers. */
import { createRequire } from "node:module";

export const requirePeer = createRequire(new URL("./peers/package.json", import.meta.url));
