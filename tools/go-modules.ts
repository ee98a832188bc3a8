// Downloads what the local cloud's tools are built from. What cannot be had is said when it is needed.
import { fetchModules } from "./go.ts";

await fetchModules().catch(() => {});
