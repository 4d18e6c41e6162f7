/** Marks this thread or process as one of our workers. To be imported before anything else: `isMain` looks for the mark. */
import { MARK } from "../mark";

Object.defineProperty(globalThis, MARK, { value: true });
