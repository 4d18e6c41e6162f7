/**
 * In Deno a server of `node:net` or a socket of `node:dgram` that its flags keep from the network throws in a callback of
 * Deno's own: no task could catch that, and it would end the worker. Here the error goes to who listens for errors, as in Node.
 *
 * Where the kernel is who keeps it from the network there is an error code, and all of this happens by itself.
 */
import type { Socket } from "node:dgram";
import type { EventEmitter } from "node:events";
import { constants } from "node:os";
import { isLimited } from "./deno-permissions";

type Method = (this: EventEmitter, ...args: unknown[]) => unknown;

/** Of a socket's handle: what has Deno ask for its permission. Each returns a negative error code, or 0. */
const OF_DATAGRAMS = ["bind", "bind6", "connect", "connect6", "send", "send6"];

/** To be called once, in Deno. It does nothing where all of the network is allowed. */
export function tellOfDeniedSockets(): void {
  if (!isLimited("net")) {
    return;
  }
  const { Server } = require("node:net") as typeof import("node:net");
  // Servers of HTTP, HTTPS, HTTP/2 and TLS come by it too.
  replace(Server.prototype, "_listen2", (listen) => {
    return function (...args) {
      try {
        return listen.apply(this, args);
      } catch (error) {
        if (!isDenial(error) || this.listenerCount("error") === 0) {
          throw error;
        }
        process.nextTick(() => this.emit("error", error));
      }
    };
  });
  const handle = handleOf(require("node:dgram").createSocket("udp4"));
  for (const name of handle === undefined ? [] : OF_DATAGRAMS) {
    replace(Object.getPrototypeOf(handle), name, (method) => {
      return function (...args) {
        try {
          return method.apply(this, args);
        } catch (error) {
          if (!isDenial(error)) {
            throw error;
          }
          return -constants.errno.EPERM;
        }
      };
    });
  }
}

/** What a socket of `node:dgram`, which is closed again, does its work by. */
function handleOf(socket: Socket): object | undefined {
  const states = Object.getOwnPropertySymbols(socket).map(
    (symbol) => (socket as unknown as Record<symbol, unknown>)[symbol],
  );
  const state = states.find((state) => typeof state === "object" && state !== null && "handle" in state);
  const { handle } = (state ?? {}) as { handle?: object };
  socket.close();
  return handle;
}

function replace(owner: object, name: string, by: (original: Method) => Method): void {
  const methods = owner as Record<string, unknown>;
  const original = methods[name];
  if (typeof original === "function") {
    methods[name] = by(original as Method);
  }
}

function isDenial(error: unknown): boolean {
  return error instanceof Error && error.name === "NotCapable";
}
