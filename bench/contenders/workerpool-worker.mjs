/** The other side of workerpool.mjs. */

import * as tasks from "../tasks.mjs";
import { requirePeer } from "./require-peer.mjs";

requirePeer("workerpool").worker({ ...tasks });
