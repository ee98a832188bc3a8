import { dirname, join } from "node:path";

/** The project. */
export const root = dirname(import.meta.dirname);

/** Everything that the set-up makes; ignored by git. */
export const home = join(root, ".local");
