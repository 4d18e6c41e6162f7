/**
 * Answers of `node:os` that the runtime looks up in what a policy denies: the home folder and the user's entry in
 * /etc/passwd, and the network's interfaces through a socket. Many a library asks for them when it is imported, and
 * expects no error. Where the look-up fails,
 *
 * ```text
 *   homedir             the home folder of the host
 *   userInfo            the ids of this process, with its user id as the name, that home folder and no shell
 *   networkInterfaces   none: without the network there is none for the worker
 * ```
 */
import { exportFromObject } from "./deno/modules";
import { isDeno } from "./deno/permissions";

type Look = (...args: unknown[]) => unknown;

/**
 * Installs the answers; must be called once, before `installGuards`, which has imports get them. `home` is the home
 * folder if `HOME` does not name it.
 */
export function answerDeniedLookUps(home: string): void {
  const os = require("node:os") as unknown as Record<string, Look>;
  const answers: Readonly<Record<string, Look>> = {
    homedir: () => homeOf(home),
    userInfo: (options) => userOf(home, options),
    networkInterfaces: () => ({}),
  };
  for (const [name, answer] of Object.entries(answers)) {
    os[name] = orElse(os[name], answer);
  }
  if (isDeno) {
    exportFromObject("node:os", Object.keys(answers));
  }
}

/** The same function, except that `answer` answers where it throws or, as in Deno, finds nothing. */
function orElse(look: Look, answer: Look): Look {
  const looking: Look = (...args) => {
    try {
      return look(...args) ?? answer(...args);
    } catch {
      return answer(...args);
    }
  };
  const properties = Object.getOwnPropertyDescriptors(look) as PropertyDescriptorMap;
  // In Node `${homedir}` is what the function returns.
  if (Symbol.toPrimitive in properties) {
    properties[Symbol.toPrimitive as never] = {
      ...properties[Symbol.toPrimitive as never],
      value: () => looking(),
    };
  }
  return Object.defineProperties(looking, properties);
}

function homeOf(home: string): string {
  return process.env.HOME || home;
}

/** An entry as `userInfo` returns it. As in Node its texts are buffers if the options say so. */
function userOf(home: string, options: unknown): object {
  const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1];
  const isRaw = (options as { encoding?: unknown } | null | undefined)?.encoding === "buffer";
  const said = (text: string): string | Buffer => (isRaw ? Buffer.from(text) : text);
  return { uid, gid, username: said(String(uid)), homedir: said(homeOf(home)), shell: null };
}
