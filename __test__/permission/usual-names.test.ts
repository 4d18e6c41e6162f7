/**
 * What a worker needs is there under its usual name, also where a denied folder is hidden: most systems have links in
 * /etc. Hosts run with an /etc of their own.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missing } from "../support/containers";
import { run } from "../support/installed";
import { onChildren } from "../support/kinds";

const root = join(__dirname, "..", "..");
const TOKYO = "/usr/share/zoneinfo/Asia/Tokyo";

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync("/var/tmp/knitting-names-"));
  mkdirSync(join(folder, "etc"));
  writeFileSync(join(folder, "etc/secret"), "secret");
  mkdirSync(join(folder, "run"));
  writeFileSync(join(folder, "run/resolv.conf"), "nameserver 127.0.0.1\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The wrapper of a host whose /etc has a secret and these links. */
function withEtc(links: Readonly<Record<string, string>>): string[] {
  return [
    ...["--unshare-user", "--unshare-net", "--cap-add", "CAP_NET_BIND_SERVICE", "--dev-bind", "/", "/"],
    ...["--tmpfs", "/etc", "--ro-bind", join(folder, "etc/secret"), "/etc/secret"],
    ...Object.entries(links).flatMap(([name, target]) => ["--symlink", target, name]),
  ];
}

async function found(etc: string[], worker: object, permission: object) {
  const host = join(root, "__test__", "fixtures", "hosts", "usual-names.mjs");
  const argv = [...etc, "--", process.execPath, host, JSON.stringify({ worker, permission })];
  // A working directory of / is worth a warning.
  const env = { NODE_EXTRA_CA_CERTS: "", NODE_NO_WARNINGS: "1" };
  let outcome = await run("bwrap", argv, { cwd: root, env });
  // bwrap fails if another test's container lets go of a mount while it copies all mounts.
  for (let tries = 0; tries < 5 && outcome.stderr.startsWith("bwrap: Can't bind mount"); tries++) {
    outcome = await run("bwrap", argv, { cwd: root, env });
  }
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  return JSON.parse(outcome.stdout);
}

describe.skipIf(missing("bwrap") !== undefined)("under a policy that reads the whole disk", () => {
  onChildren(({ name, worker }) => {
    const isDeno = name.includes("deno");
    const denied = isDeno ? "NotCapable" : expect.stringMatching(/EACCES|ENOENT/);

    test.each([
      ["read: true", worker, { read: true, net: true }],
      ['read: ["/"]', worker, { read: ["/"], net: true }],
      ['cwd: "/"', { ...worker, cwd: "/" }, { net: true }],
    ])("links to what is needed lead there: %s", async (_, worker, permission) => {
      const links = {
        "/etc/localtime": `..${TOKYO}`,
        "/etc/link": "secret",
        "/etc/mtab": "../proc/self/mounts",
        // By a link to a folder, as it is with systemd.
        "/etc/run": join(folder, "run"),
        "/etc/resolv.conf": "run/resolv.conf",
        "/etc/alternatives/tool": "/usr/bin/true",
      };
      expect(await found(withEtc(links), worker, permission)).toEqual({
        offset: -540,
        addresses: ["192.0.2.7"],
        // Deno's own flags deny its tasks the names in /etc and /dev.
        clock: isDeno ? denied : `..${TOKYO}`,
        mounts: isDeno ? denied : true,
        descriptors: isDeno ? denied : true,
        input: isDeno ? denied : "/proc/self/fd/0",
        tool: isDeno ? denied : "/usr/bin/true",
        secret: denied,
        link: denied,
        etc: denied,
      });
    });

    test("a program starts that is found by a link in a denied folder", async () => {
      // As on Debian and Fedora, where it is one of several.
      const links = { "/etc/alternatives/tool": "/bin/echo" };
      const permission = { read: true, run: ["/etc/alternatives/tool"] };
      expect(await found(withEtc(links), worker, permission)).toMatchObject({ written: "written\n" });
    });

    test("what is not there looks absent, and the worker boots", async () => {
      expect(await found(withEtc({}), worker, { read: true })).toEqual({
        offset: 0,
        clock: isDeno ? denied : "ENOENT",
        mounts: isDeno ? denied : "ENOENT",
        descriptors: isDeno ? denied : true,
        input: isDeno ? denied : "/proc/self/fd/0",
        tool: isDeno ? denied : "ENOENT",
        secret: denied,
        link: denied,
        etc: denied,
      });
    });
  });
});
