// Plain JavaScript: setup.mjs asks before there is a Node that reads TypeScript.

/** @throws Error where no local cloud can run. */
export function checkHost() {
  const user = process.getuid?.();
  if (process.platform === "linux" && user === 0) return;
  const instead =
    process.platform === "linux"
      ? `user ${user}: try sudo env "PATH=$PATH" npm run local`
      : `${process.platform}: open this folder in its dev container (README.md), or run the app alone: docker compose up --build`;
  throw new Error(`the local cloud runs Docker Engines and needs Linux and root; this is ${instead}`);
}
