/** Runs once before the suites and makes what they share, so that no two of them make it at the same time. */
// @ts-expect-error the scripts are plain JavaScript
import { ensureManagers, ensureRuntimes } from "../../scripts/runtimes.mjs";
import { ensureContainers } from "./containers";

export default function prepare(): void {
  ensureRuntimes();
  ensureManagers();
  ensureContainers();
}
