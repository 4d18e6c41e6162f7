/** Flags of Node that differ between versions. For the installed versions the workers themselves prove them. */
import { describe, expect, test } from "vitest";
import { letsAddonsIn, nodePermissions, nodeVersion } from "../../build/permission/node-flags.js";
import { UNSAFE } from "../../build/permission/policy.js";

const flagsOf = (version: string) => nodePermissions(UNSAFE, nodeVersion(version), [], true);

describe("the flags of Node", () => {
  test.each([
    ["v20.12.0", "--experimental-permission"],
    ["v22.12.0", "--experimental-permission"],
    ["v22.13.0", "--permission"],
    ["v23.4.0", "--experimental-permission"],
    ["v23.5.0", "--permission"],
    ["v24.0.0", "--permission"],
  ])("%s: %s", (version, flag) => {
    expect(flagsOf(version)).toContain(flag);
  });

  test.each([
    ["v20.15.1", false],
    ["v20.16.0", true],
    ["v22.2.0", false],
    ["v22.3.0", true],
  ])("%s has --allow-wasi: %s", (version, has) => {
    expect(flagsOf(version).includes("--allow-wasi")).toBe(has);
  });

  test.each([
    ["v24.9.0", false],
    ["v25.0.0", true],
  ])("%s has --allow-net: %s", (version, has) => {
    expect(flagsOf(version).includes("--allow-net")).toBe(has);
  });

  test.each([
    ["v20.9.0", false],
    ["v20.12.0", true],
    ["v21.5.0", false],
    ["v21.6.0", true],
    ["v22.0.0", true],
  ])("%s lets an addon in: %s", (version, lets) => {
    expect(letsAddonsIn(nodeVersion(version))).toBe(lets);
  });
});
