/** The other side of poolifier.mjs, in a process. */

import * as tasks from "../tasks.mjs";
import { requirePeer } from "./require-peer.mjs";

const { ClusterWorker } = requirePeer("poolifier");

export default new ClusterWorker({ ...tasks });
