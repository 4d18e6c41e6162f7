/** Imported by `--import`, so before the worker's own program runs: there it announces itself and stays. */
import { announce, hold } from "./held.mjs";

announce("before-attach");
hold();
