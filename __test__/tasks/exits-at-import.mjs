/** Leaves while it is imported, as a command line tool does that finds no arguments. */
import { exit } from "node:process";

exit(5);

export const f = () => 1;
