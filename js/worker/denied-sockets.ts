/**
 * If the flags of Node 25 and later, or of Deno, keep a server from listening, the runtime throws in a callback of its
 * own, and Deno does the same for a UDP socket. No task could catch that error, and it would end the worker. This
 * module passes the error to the listeners for errors.
 *
 * If only the kernel denies the network, the runtime gets an error code and does all of this by itself.
 */
import type { Socket } from "node:dgram";
import type { EventEmitter } from "node:events";
import { isDeno, isLimited } from "./deno/permissions";

type Method = (this: EventEmitter, ...args: unknown[]) => unknown;

/** Methods of a socket's handle for which Deno checks its permission. Each returns a negative error code, or 0. */
const OF_DATAGRAMS = ["bind", "bind6", "connect", "connect6", "send", "send6"];
/** The first Node that restricts the network. */
const NODE_MAJOR = 25;

/** Installs the replacements; must be called once. Does nothing if the runtime allows all of the network. */
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

/** Servers of HTTP, HTTPS, HTTP/2 and TLS listen through this function too. */
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
  const { EPERM } = require("node:os").constants.errno as { EPERM: number };
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
          return -EPERM;
        }
      };
    });
  }
}

/** The handle that a socket of `node:dgram` works with. The socket is closed again. */
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
