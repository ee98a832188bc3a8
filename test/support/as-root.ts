import { keysOf } from "../../local/identity.ts";
import { aws, cloud } from "./stack.ts";

// The clients of the local AWS provider take these from the environment.
Object.assign(process.env, { AWS_ENDPOINT_URL: aws.endpoint, AWS_REGION: aws.region, ...keysOf(cloud.dir, "root") });
