/** `npm run demo`: builds what is missing, then runs `examples/demo`. */
import { ensureBuilt } from "./setup.mjs";

await ensureBuilt();
await import("../examples/demo/main.mjs");
