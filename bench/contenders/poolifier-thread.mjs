/** The other side of poolifier.mjs, in a thread. */

import { requirePeer } from "../require-peer.mjs";
import * as tasks from "../tasks.mjs";

const { ThreadWorker } = requirePeer("poolifier");

export default new ThreadWorker({ ...tasks });
