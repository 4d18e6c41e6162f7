/** The order in which waiting calls go, against a sorted list. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { CallHeap } from "../../build/pool/call-heap.js";
import { CallQueue } from "../../build/pool/call-queue.js";

interface Waiting {
  readonly order: number;
  readonly plan: { readonly terms: { readonly priority: number } | undefined };
  carrier?: unknown;
}

const call = (order: number, priority: number): Waiting => ({
  order,
  plan: { terms: priority === 0 ? undefined : { priority } },
});
const before = (a: Waiting, b: Waiting) =>
  (a.plan.terms?.priority ?? 0) - (b.plan.terms?.priority ?? 0) || a.order - b.order;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("add" as const), priority: fc.integer({ min: -3, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("take" as const), priority: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("give up" as const), priority: fc.nat() }) },
);

test("a heap gives its calls in their order, without those that were given up", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const gone = new Set<Waiting>();
      const heap = new CallHeap(((each: Waiting) => !gone.has(each)) as never);
      let list: Waiting[] = [];
      for (const [at, { do: what, priority }] of steps.entries()) {
        if (what === "add") {
          const added = call(at, priority);
          heap.add(added as never);
          list.push(added);
        } else if (list.length > 0 && what === "take") {
          list.sort(before);
          expect(heap.first).toBe(list.shift());
          heap.removeFirst();
        } else if (list.length > 0) {
          const [given] = list.splice(priority % list.length, 1);
          gone.add(given);
          heap.gaveUp();
        }
      }
      list = list.sort(before);
      for (const expected of list) {
        expect(heap.first).toBe(expected);
        heap.removeFirst();
      }
      expect(heap.first).toBeUndefined();
    }),
  );
});

test("a queue gives each worker its own calls and those of all in one order", () => {
  const [places, calls] = [
    [{}, {}],
    fc.record({ priority: fc.integer({ min: -2, max: 2 }), place: fc.nat(2) }),
  ];
  const rest = fc.record({
    binds: fc.boolean(),
    unbinds: fc.boolean(),
    giveUps: fc.array(fc.nat(), { maxLength: 9 }),
  });
  fc.assert(
    fc.property(fc.array(calls, { maxLength: 60 }), rest, (made, { binds, unbinds, giveUps }) => {
      const queue = new CallQueue(undefined, { failed: 0, timedOut: 0 }, () => {});
      let list = made.map(({ priority, place }, at) => {
        const waiting = call(at, priority);
        queue.add(waiting as never, places[place]);
        return { waiting, place: places[place] as object | undefined };
      });
      for (const index of giveUps) {
        if (list.length > 0) {
          queue.cancelled(list.splice(index % list.length, 1)[0].waiting as never);
        }
      }
      const open = list
        .filter(({ place }) => place === undefined)
        .sort((a, b) => before(a.waiting, b.waiting));
      expect(queue.isOpen).toBe(open.length > 0);
      if (binds && open.length > 0 && queue.next(places[0]) === (open[0].waiting as never)) {
        queue.bind(open[0].waiting as never, places[1]);
        open[0].place = places[1];
      }
      if (unbinds) {
        queue.unbind(places[0]);
        list = list.map(({ waiting, place }) => ({
          waiting,
          place: place === places[0] ? undefined : place,
        }));
      }
      for (const place of places) {
        const mine = list.filter((each) => each.place === undefined || each.place === place);
        for (const { waiting } of mine.sort((a, b) => before(a.waiting, b.waiting))) {
          expect(queue.next(place)).toBe(waiting);
          queue.take(waiting as never);
        }
        list = list.filter((each) => !mine.includes(each));
        expect(queue.next(place)).toBeUndefined();
      }
      expect([queue.size, queue.bytes, queue.isOpen]).toEqual([0, 0, false]);
    }),
  );
});
