/** The other side of poolifier.mjs, in a thread. */

import * as tasks from "../tasks.mjs";
import { requirePeer } from "./require-peer.mjs";

const { ThreadWorker } = requirePeer("poolifier");

export default new ThreadWorker({ ...tasks });
