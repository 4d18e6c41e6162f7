/** The other side of workerpool.mjs. */

import { requirePeer } from "../require-peer.mjs";
import * as tasks from "../tasks.mjs";

requirePeer("workerpool").worker({ ...tasks });
