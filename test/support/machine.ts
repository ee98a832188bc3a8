import { architectures } from "../../components/architecture.ts";

export const launchArgs = {
  appName: "hono-app",
  image: {
    registry: "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com",
    repository: "hono-app-dev",
    tag: "content-0123456789abcdef",
    digest: `sha256:${"a".repeat(64)}`,
  },
  region: "ap-northeast-2",
  logGroup: "hono-app-machines-1",
  instanceType: "t4g.small",
  architecture: architectures.graviton,
  port: 80,
  environment: [],
  secrets: { path: "/hono-app/dev", names: [] },
  ami: "ami-1",
  amiUpdate: "keep" as const,
  securityGroupId: "sg-1",
  instanceProfile: "profile",
  volumeSize: 8,
};
