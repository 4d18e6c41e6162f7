/** What Deno's flags allow. */

interface Permissions {
  querySync(of: { name: string }): { readonly state: string; readonly partial?: boolean };
}

const { Deno: deno } = globalThis as { Deno?: { permissions?: Permissions } };

/** Whether this is Deno. */
export const isDeno = deno !== undefined;

/** Whether any part of the permission is denied. */
export function isLimited(name: "net" | "run"): boolean {
  const { state, partial = false } = deno?.permissions?.querySync({ name }) ?? { state: "granted" };
  return state !== "granted" || partial;
}
