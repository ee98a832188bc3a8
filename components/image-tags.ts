/** Release tags start with it; the lifecycle policy selects releases by it. */
export const contentTagPrefix = "content-";

/** The one tag that may move. */
export const latestTag = "latest";
