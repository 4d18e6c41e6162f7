/** Who plays: this build beside others, or beside another build of it. */

import { ensureRuntimes } from "../scripts/runtimes.mjs";
import { THIS } from "./builds.mjs";
import { contenders } from "./contenders/all.mjs";
import { Fork } from "./contenders/fork.mjs";
import { Knitting } from "./contenders/knitting.mjs";
import { PostMessage } from "./contenders/post-message.mjs";
import { loadOtherKnitting } from "./other-knitting.mjs";

/**
 * Variables such as NODE_EXTRA_CA_CERTS cost time at a start, and a policy removes them. So no contender gets any
 * variables.
 */
const NO_VARIABLES = { env: {} };
const KINDS = {
  thread: { runtime: "thread", ...NO_VARIABLES },
  process: { runtime: "process", processRuntime: "node", ...NO_VARIABLES },
};

/** All contenders, in the order of the table. `knitting` is the path of a checkout of Knitting. */
export async function besidePeers(build, { knitting }) {
  return contenders({
    build,
    runtimes: ensureRuntimes(),
    ...(knitting && { knitting: await loadOtherKnitting(knitting) }),
    ...NO_VARIABLES,
  });
}

/**
 * Two builds, in the order in which they are loaded, beside Node's own means. A pair names workers of one kind of both
 * builds, `mine` and `other`.
 */
export function besideEachOther(builds) {
  const postMessage = new PostMessage("postMessage", NO_VARIABLES);
  const fork = new Fork("fork", { serialization: "advanced", ...NO_VARIABLES });
  const pairs = Object.keys(KINDS).map((kind) => ({
    kind,
    mine: `${THIS} ${kind}`,
    other: `other ${kind}`,
  }));
  const ours = Object.entries(KINDS).flatMap(([kind, worker]) =>
    builds.map((build) => new Knitting(`${build.name} ${kind}`, build, { worker })),
  );
  return { contenders: [...ours, postMessage, fork], pairs };
}
