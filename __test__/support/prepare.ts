/** Runs once before the suites and makes what they share, so that no two of them make it at the same time. */
import { ensureContainers } from "./containers";

export default function prepare(): void {
  ensureContainers();
}
