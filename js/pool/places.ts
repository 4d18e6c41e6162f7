/** The places of a pool: which index a new one gets, which one a snapshot is of, and whose memory has room. */
import { KnittingError } from "../base/errors";
import type { WorkerInfo } from "../runtime/worker-info";
import type { SupervisedWorker } from "./supervised-worker";

/** The lowest index that no place has. */
export function freeIndex(workers: readonly SupervisedWorker[]): number {
  const taken = new Set(workers.map(({ index }) => index));
  let index = 0;
  while (taken.has(index)) {
    index++;
  }
  return index;
}

/** The worker that this is a snapshot of, if it still runs. */
export function workerOf(
  workers: readonly SupervisedWorker[],
  { index, startedAt }: WorkerInfo,
): SupervisedWorker | undefined {
  const worker = workers.find((worker) => worker.index === index);
  return worker?.info().startedAt?.getTime() === startedAt?.getTime() ? worker : undefined;
}

/** See `Workers.alloc`. The first of the workers that has room gets the array. */
export function allocateIn(workers: readonly SupervisedWorker[], byteLength: number): Uint8Array {
  for (const worker of workers) {
    const array = worker.alloc(byteLength);
    if (array !== undefined) {
      return array;
    }
  }
  if (workers.length > 0) {
    throw new KnittingError(
      "KNITTING_ARENA_FULL",
      `pool.alloc: no worker's memory has room for ${byteLength} more bytes now. Arrays that were ` +
        "allocated and not sent take room until they are collected",
    );
  }
  // Without a worker there is no arena, so this array will be copied.
  return new Uint8Array(byteLength);
}

export function remove<T>(list: T[], element: T): void {
  const at = list.indexOf(element);
  if (at >= 0) {
    list.splice(at, 1);
  }
}
