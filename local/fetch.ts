// The set-up runs this while it installs npm's packages, so nothing here needs one. What cannot be had is said when it is needed.
import { fetchModules } from "../tools/go.ts";
import { step } from "../tools/process.ts";
import { fetchParts } from "./parts.ts";

await Promise.allSettled([step("Go modules", fetchModules), fetchParts()]);
