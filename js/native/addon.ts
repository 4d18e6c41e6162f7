/**
 * What the Rust side exports (`src/binding`), loaded on first use so that a program can be imported anywhere and hears of
 * an unsupported platform where it creates a pool.
 */
import { UnsupportedPlatformError } from "../base/errors";
import { addonPath, BUILD_ADVICE, platformName } from "./platform";

export type {
  Exchange,
  HostLane as NativeHostLane,
  KernelLayer,
  Lane as NativeLane,
  MissingLayer,
  ProgramNeeds,
  Reserve,
  SandboxProbe,
  SharedBuffer as NativeSharedBuffer,
  WorkerEvent,
  WorkerLane as NativeWorkerLane,
} from "../../src/binding/addon";

type Native = typeof import("../../src/binding/addon");

/** The results of `exchange` and `reserve` that are no number of slots and no offset. */
export const VIOLATED = -2;
export const FULL = -1;
export const TOO_LARGE = -2;

let loaded: Native | undefined;

/** The addon. Throws `UnsupportedPlatformError` where there is none. */
export function native(): Native {
  if (loaded === undefined) {
    const path = addonPath();
    try {
      loaded = require(path) as Native;
    } catch (cause) {
      throw new UnsupportedPlatformError(
        `knitting-native has no addon for ${platformName()} (${path}): ${(cause as Error).message}\n${BUILD_ADVICE}`,
        { cause },
      );
    }
  }
  return loaded;
}
