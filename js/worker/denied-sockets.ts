/**
 * A server that the flags of Node, from 25 on, or of Deno keep from listening throws in a callback of the runtime's own, as does
 * a UDP socket in Deno: no task could catch that, and it would end the worker. Here the error goes to who listens for errors.
 *
 * Where the kernel alone keeps it from the network there is an error code, and all of this happens by itself.
 */
import type { Socket } from "node:dgram";
import type { EventEmitter } from "node:events";
import { constants } from "node:os";
import { isDeno, isLimited } from "./deno/permissions";

type Method = (this: EventEmitter, ...args: unknown[]) => unknown;

/** Of a socket's handle: what has Deno ask for its permission. Each returns a negative error code, or 0. */
const OF_DATAGRAMS = ["bind", "bind6", "connect", "connect6", "send", "send6"];
/** The first Node that limits the network. */
const NODE_MAJOR = 25;

/** To be called once. It does nothing where the runtime allows all of the network. */
export function tellOfDeniedSockets(): void {
  if (isDeno ? isLimited("net") : isLimitedInNode()) {
    tellOfServers();
    if (isDeno) {
      tellOfDatagrams();
    }
  }
}

function isLimitedInNode(): boolean {
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  return (
    permission !== undefined &&
    Number.parseInt(process.versions.node, 10) >= NODE_MAJOR &&
    !permission.has("net")
  );
}

/** Servers of HTTP, HTTPS, HTTP/2 and TLS come by it too. */
function tellOfServers(): void {
  const { Server } = require("node:net") as typeof import("node:net");
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
}

function tellOfDatagrams(): void {
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
  const { name, code } = error as NodeJS.ErrnoException;
  return name === "NotCapable" || code === "ERR_ACCESS_DENIED";
}
