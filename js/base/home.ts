/** The home folder, also where the system names none. */
import { homedir } from "node:os";

/**
 * This user's home folder. A user without an entry in /etc/passwd and without `HOME`, as a container may have, has the
 * root for it, as after a login.
 */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}
