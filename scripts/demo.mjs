/** `npm run demo`: builds what is missing, then runs `examples/demo`. */
import { ensureBuilt } from "./setup.mjs";

ensureBuilt();
await import("../examples/demo/main.mjs");
