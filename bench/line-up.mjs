/** Who plays: this build beside others, or beside another build of it. */

import { ensureRuntimes } from "../scripts/runtimes.mjs";
import { OTHER, otherBuild, THIS, thisBuild } from "./builds.mjs";
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

/** Names of workers of one kind of two builds. */
export const PAIRS = Object.keys(KINDS).map((kind) => ({
  kind,
  mine: `${THIS} ${kind}`,
  other: `${OTHER} ${kind}`,
}));

/**
 * New contenders, by what another process can be told as well: this build beside all others, with the checkout of
 * Knitting at the path `knitting`, or beside the build at the path `against`, which is loaded first if `otherFirst`.
 */
export async function contendersOf({ knitting, against, otherFirst = false }) {
  if (against !== undefined) {
    const load = [() => thisBuild(), () => otherBuild(against)];
    return besideEachOther((otherFirst ? load.reverse() : load).map((build) => build()));
  }
  return contenders({
    build: thisBuild(),
    runtimes: ensureRuntimes(),
    ...(knitting && { knitting: await loadOtherKnitting(knitting) }),
    ...NO_VARIABLES,
  });
}

/** Two builds, in the order in which they are loaded, beside Node's own means. */
function besideEachOther(builds) {
  const ours = Object.entries(KINDS).flatMap(([kind, worker]) =>
    builds.map((build) => new Knitting(`${build.name} ${kind}`, build, { worker })),
  );
  return [
    ...ours,
    new PostMessage("postMessage", NO_VARIABLES),
    new Fork("fork", { serialization: "advanced", ...NO_VARIABLES }),
  ];
}
