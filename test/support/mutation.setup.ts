// Pulumi stores a provider's functions as text, with copies of what they refer to, but for what is global. With this, Stryker's record of
// which test has reached a change is found as a global one, and what the text reaches is recorded too.
Object.defineProperty(globalThis, "strykerCoverage", {
  get: () => (globalThis as { __stryker__?: { mutantCoverage?: object } }).__stryker__?.mutantCoverage,
});
