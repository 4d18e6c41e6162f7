/**
 * The exports of the Rust side (`src/binding`). The addon is loaded on first use, so that a program can be imported on
 * any platform and gets the error for an unsupported one when it creates a pool.
 */
import { UnsupportedPlatformError } from "../base/errors";
import { addonPath, BUILD_ADVICE, platformName } from "./platform";
import { tooManyFiles } from "./system-error";

export type {
  Exchange,
  Flood,
  HostLane as NativeHostLane,
  KernelLayer,
  Lane as NativeLane,
  ProgramNeeds,
  Recovered,
  Reserve,
  SandboxProbe,
  SharedBuffer as NativeSharedBuffer,
  WorkerEvent,
  WorkerLane as NativeWorkerLane,
} from "../../src/binding/addon";

type Native = typeof import("../../src/binding/addon");

/** The results of `exchange` and `reserve` that are neither a number of slots nor an offset. */
export const VIOLATED = -2;
export const FULL = -1;
export const TOO_LARGE = -2;
/** In the place of `spinNanos` this makes `exchange` publish and receive nothing. */
export const PUBLISH_ONLY = -1;

/**
 * Whether this is Node, whose event loop an addon can use. Deno and Bun have the symbols of libuv, but their event loops
 * are others.
 */
export const IS_NODE = process.versions.bun === undefined && process.versions.deno === undefined;

let loaded: Native | undefined;

/** The addon. Throws `UnsupportedPlatformError` if there is none for this platform. */
export function native(): Native {
  if (loaded === undefined) {
    const path = addonPath();
    try {
      loaded = require(path) as Native;
    } catch (cause) {
      const limit = tooManyFiles(cause);
      if (limit !== undefined) {
        throw limit;
      }
      throw new UnsupportedPlatformError(
        `knitting-native has no addon for ${platformName()} (${path}): ${(cause as Error).message}\n${BUILD_ADVICE}`,
        { cause },
      );
    }
  }
  return loaded;
}
