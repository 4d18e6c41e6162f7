/**
 * The numbers by which this host's lanes refer to shared memory. Each number is used once, and everybody forgets it
 * when the memory is closed or collected here. A call keeps the memory to which it refers until the call is answered.
 */
import type { SharedMemory } from "./references";

/** Something that may know a number. */
export interface Hearer {
  /** The memory was closed or collected. */
  forget(number: number): void;
}

const numbers = new WeakMap<SharedMemory, number>();
const memories = new Map<number, WeakRef<SharedMemory>>();
const hearers = new Set<Hearer>();
const collected = new FinalizationRegistry(forget);
let next = 1;

/** The number of a piece of memory. */
export function numberOf(memory: SharedMemory): number {
  let number = numbers.get(memory);
  if (number === undefined) {
    number = next++;
    numbers.set(memory, number);
    memories.set(number, new WeakRef(memory));
    collected.register(memory, number);
  }
  return number;
}

/** The memory with this number, if it still exists. */
export function memoryOf(number: number): SharedMemory | undefined {
  return memories.get(number)?.deref();
}

/** Makes everybody forget memory that was closed. */
export function forgetMemory(memory: SharedMemory): void {
  const number = numbers.get(memory);
  if (number !== undefined) {
    forget(number);
  }
}

export function listen(hearer: Hearer): void {
  hearers.add(hearer);
}

export function unlisten(hearer: Hearer): void {
  hearers.delete(hearer);
}

function forget(number: number): void {
  if (memories.delete(number)) {
    for (const hearer of hearers) {
      hearer.forget(number);
    }
  }
}
