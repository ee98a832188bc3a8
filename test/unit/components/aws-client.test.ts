import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ECR } from "@aws-sdk/client-ecr";
import { expect, onTestFinished, test, vi } from "vitest";
import { clientConfig } from "../../../components/aws-client.ts";
import { temporaryFolder } from "../../support/process.ts";

const keys = { AWS_ACCESS_KEY_ID: "environment", AWS_SECRET_ACCESS_KEY: "x", AWS_SESSION_TOKEN: "t" };
/** Its token is read before AWS is asked, and is not there. */
const identity = { AWS_WEB_IDENTITY_TOKEN_FILE: "/no/token", AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/x" };

test.each([
  ["keys in the environment before AWS_PROFILE", { ...keys, AWS_PROFILE: "one" }, undefined, "environment"],
  ["keys in the environment before a web identity", { ...keys, ...identity }, undefined, "environment"],
  ["a web identity before AWS_PROFILE", { ...identity, AWS_PROFILE: "one" }, undefined, "/no/token"],
  ["a web identity before the default profile", identity, undefined, "/no/token"],
  ["the stack's own profile before all of them", { ...keys, ...identity, AWS_PROFILE: "one" }, "two", "two"],
  ["AWS_PROFILE where there are no keys", { AWS_PROFILE: "one", AWS_DEFAULT_PROFILE: "two" }, undefined, "one"],
  ["AWS_DEFAULT_PROFILE last", { AWS_DEFAULT_PROFILE: "two" }, undefined, "two"],
])("the SDK takes %s, as the provider does", async (_, environment, profile, expected) => {
  const file = join(temporaryFolder(onTestFinished), "credentials");
  const section = (name: string) => `[${name}]\naws_access_key_id = ${name}\naws_secret_access_key = x\n`;
  writeFileSync(file, section("one") + section("two") + section("default"));
  const names = Object.keys({ ...keys, ...identity });
  for (const name of [...names, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"]) vi.stubEnv(name, "");
  for (const [name, value] of Object.entries({ ...environment, AWS_SHARED_CREDENTIALS_FILE: file })) {
    vi.stubEnv(name, value);
  }
  // What the SDK prints of several sources of credentials.
  vi.spyOn(console, "warn").mockReturnValue();
  const { credentials } = new ECR(clientConfig({ region: "eu-west-1", profile })).config;
  const found = await credentials().catch(({ path }) => ({ accessKeyId: path, sessionToken: undefined }));
  const { accessKeyId, sessionToken } = found;
  expect(accessKeyId).toBe(expected);
  expect(sessionToken).toBe(expected === "environment" ? "t" : undefined);
});
