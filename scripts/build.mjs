/** `npm run build`: builds what is missing or older than its sources, and nothing else. */
import { ensureBuilt } from "./setup.mjs";

await ensureBuilt();
