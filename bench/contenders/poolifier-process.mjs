/** The other side of poolifier.mjs, in a process. */

import { requirePeer } from "../require-peer.mjs";
import * as tasks from "../tasks.mjs";

const { ClusterWorker } = requirePeer("poolifier");

export default new ClusterWorker({ ...tasks });
