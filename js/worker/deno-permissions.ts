/** What Deno's flags allow. */

interface Permissions {
  querySync(of: { name: string }): { readonly state: string; readonly partial?: boolean };
}

const { permissions } = (globalThis as { Deno?: { permissions?: Permissions } }).Deno ?? {};

/** Whether any of it is denied. */
export function isLimited(name: "net" | "run"): boolean {
  const { state, partial = false } = permissions?.querySync({ name }) ?? { state: "granted" };
  return state !== "granted" || partial;
}
