import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { connectFleet, describeMachines, type FleetApi, templateName } from "../../../components/fleet-api.ts";

/** What AWS was asked, and answers, by the action's name. */
let asked: Record<string, string>[];
let answers: Record<string, string | number>;
let server: Server;
let api: FleetApi;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const params = Object.fromEntries(new URLSearchParams(await text(request)));
    asked.push(params);
    const { Action = "" } = params;
    const answer = answers[Action] ?? "";
    const xml =
      typeof answer === "number"
        ? `<ErrorResponse><Error><Code>Denied</Code><Message>no</Message></Error></ErrorResponse>`
        : Action === "GetConsoleOutput"
          ? `<GetConsoleOutputResponse>${answer}</GetConsoleOutputResponse>`
          : `<${Action}Response><${Action}Result>${answer}</${Action}Result></${Action}Response>`;
    response.writeHead(typeof answer === "number" ? answer : 200, { "content-type": "text/xml" }).end(xml);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(async () => {
  vi.stubEnv("AWS_ENDPOINT_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  const args = { region: "ap-northeast-2", groupName: "app-1", targetGroupArn: "arn:targets", logGroup: "machines" };
  api = await connectFleet(args);
  asked = [];
  answers = {};
});

const template = (version: number) =>
  `<LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><Version>${version}</Version></LaunchTemplate>`;

test("a group: its minimum, the version that it launches, and each machine's own", async () => {
  const member = `<member><InstanceId>i-1</InstanceId><AvailabilityZone>a</AvailabilityZone>
    <LifecycleState>InService</LifecycleState>${template(2)}</member>`;
  answers.DescribeAutoScalingGroups = `<AutoScalingGroups><member><AutoScalingGroupName>app-1</AutoScalingGroupName>
    <MinSize>2</MinSize>${template(3)}<Instances>${member}</Instances></member></AutoScalingGroups>`;
  expect(await api.group()).toEqual({
    min: 2,
    template: "lt-1:3",
    members: [{ id: "i-1", zone: "a", template: "lt-1:2", state: "InService" }],
  });
  expect(asked[0]).toMatchObject({ "AutoScalingGroupNames.member.1": "app-1" });
});

test("a group that is gone is said as such", async () => {
  answers.DescribeAutoScalingGroups = "<AutoScalingGroups></AutoScalingGroups>";
  await expect(api.group()).rejects.toMatchObject({ name: "GroupNotFound", message: "the group app-1 does not exist" });
});

test("the load balancer's word on each machine, with its reason", async () => {
  const target = (id: string, health: string) =>
    `<member><Target><Id>${id}</Id></Target><TargetHealth>${health}</TargetHealth></member>`;
  const bad = "<State>unhealthy</State><Reason>Target.Timeout</Reason><Description>Request timed out</Description>";
  answers.DescribeTargetHealth = `<TargetHealthDescriptions>${target("i-1", "<State>healthy</State>")}${target("i-2", bad)}</TargetHealthDescriptions>`;
  expect(await api.health()).toEqual({
    "i-1": { state: "healthy", reason: "" },
    "i-2": { state: "unhealthy", reason: "Target.Timeout: Request timed out" },
  });
  expect(asked[0]).toMatchObject({ TargetGroupArn: "arn:targets" });
});

test("a refresh launches before it terminates, counts a machine when it is healthy, and lets no protected one hold it up", async () => {
  answers.StartInstanceRefresh = "<InstanceRefreshId>refresh-1</InstanceRefreshId>";
  expect(await api.start("lt-1:4")).toBe("refresh-1");
  const { Action, Version, ...params } = asked[0] ?? {};
  expect(params).toEqual({
    AutoScalingGroupName: "app-1",
    Strategy: "Rolling",
    "DesiredConfiguration.LaunchTemplate.LaunchTemplateId": "lt-1",
    "DesiredConfiguration.LaunchTemplate.Version": "4",
    "Preferences.MinHealthyPercentage": "100",
    "Preferences.MaxHealthyPercentage": "200",
    "Preferences.SkipMatching": "true",
    "Preferences.AutoRollback": "true",
    "Preferences.InstanceWarmup": "0",
    "Preferences.ScaleInProtectedInstances": "Refresh",
    "Preferences.StandbyInstances": "Terminate",
  });
});

test("refreshes are listed, cancelled and rolled back for the one group", async () => {
  answers.DescribeInstanceRefreshes =
    "<InstanceRefreshes><member><InstanceRefreshId>refresh-1</InstanceRefreshId><Status>InProgress</Status></member></InstanceRefreshes>";
  expect(await api.refreshes()).toMatchObject([{ InstanceRefreshId: "refresh-1", Status: "InProgress" }]);
  await api.cancel();
  await api.rollback();
  expect(asked.map(({ Action, AutoScalingGroupName }) => `${Action} ${AutoScalingGroupName}`)).toEqual([
    "DescribeInstanceRefreshes app-1",
    "CancelInstanceRefresh app-1",
    "RollbackInstanceRefresh app-1",
  ]);
});

test("only what failed or was cancelled since counts, each once, from every page until older ones come", async () => {
  const activity = (status: string, minute: number, message: string) =>
    `<member><StatusCode>${status}</StatusCode><StartTime>2026-01-01T00:0${minute}:00Z</StartTime>
     <Description>Launching</Description><StatusMessage>${message}</StatusMessage></member>`;
  const page = [
    activity("Failed", 5, "no capacity"),
    activity("Failed", 4, "no capacity"),
    activity("Successful", 4, ""),
    activity("Cancelled", 4, "Client.InvalidKMSKey.InvalidState"),
  ];
  answers.DescribeScalingActivities = `<Activities>${page.join("")}${activity("Failed", 1, "long ago")}</Activities><NextToken>2</NextToken>`;
  expect(await api.failures(new Date("2026-01-01T00:03:00Z"))).toEqual([
    "Launching: no capacity",
    "Launching: Client.InvalidKMSKey.InvalidState",
  ]);
  expect(asked).toHaveLength(1);
});

test("a console is text; one that cannot be read says how to", async () => {
  answers.GetConsoleOutput = `<output>${Buffer.from("booted\n").toString("base64")}</output>`;
  expect(await api.console("i-1")).toBe("booted\n");
  expect(asked[0]).toMatchObject({ InstanceId: "i-1", Latest: "true" });
  answers.GetConsoleOutput = 403;
  expect(await api.console("i-1")).toMatch(
    /^not readable \(.*\); try: aws ec2 get-console-output .* --region ap-northeast-2 --instance-id i-1$/,
  );
});

test("what is known of a machine ends with the command that reads its log", async () => {
  answers.DescribeTargetHealth = "<TargetHealthDescriptions></TargetHealthDescriptions>";
  const lines = Array.from({ length: 20 }, (_, line) => `line ${line}`).join("\n");
  answers.GetConsoleOutput = `<output>${Buffer.from(lines).toString("base64")}</output>`;
  const known = await describeMachines(api, ["i-1"]);
  expect(known).toMatch(
    /^i-1 is not registered with the load balancer; the last lines of its console:\n {2}\| line 5\n/,
  );
  expect(known).toMatch(
    /\| line 19\nwhat it has logged, also when it is gone: aws logs tail machines --log-stream-names i-1 .*--region ap-northeast-2$/,
  );
});

test("a template's name has its version", () => {
  expect(templateName({ LaunchTemplateId: "lt-1", Version: "3" })).toBe("lt-1:3");
});
