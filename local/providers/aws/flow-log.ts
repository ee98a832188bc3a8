import type { TrafficType } from "@aws-sdk/client-ec2";
import { ec2, every, logs } from "./clients.ts";
import { orGone, type Resource } from "./provider.ts";
import { arn, fromTags, pick, retagEc2, tagged } from "./tags.ts";
import type { Props } from "./values.ts";

async function setRetention(logGroupName: string, { retentionInDays }: Props) {
  const api = await logs();
  // 0 is the real provider's word for "kept for ever".
  if (retentionInDays) await api.putRetentionPolicy({ logGroupName, retentionInDays });
  else await api.deleteRetentionPolicy({ logGroupName });
}

const logGroup: Resource = {
  noun: "CloudWatch Logs Log Group",
  cloudFormation: { type: "AWS::Logs::LogGroup", names: { name: "LogGroupName" }, none: { retentionInDays: 0 } },
  autoName: 512,
  inputs: { name: ["replace"], retentionInDays: [], tags: [] },
  async create(inputs) {
    await (await logs()).createLogGroup({ logGroupName: inputs.name, tags: inputs.tags });
    if (inputs.retentionInDays) await setRetention(inputs.name, inputs);
    return inputs.name;
  },
  async read(id) {
    const api = await logs();
    const pages = api.paginateDescribeLogGroups({ logGroupNamePrefix: id });
    const live = (await every(pages, (page) => page.logGroups)).find((group) => group.logGroupName === id);
    if (!live) return undefined;
    // AWS's own ARN of a group ends with its streams' wildcard, the provider's does not.
    const resourceArn = live.arn?.replace(/:\*$/, "");
    const { tags } = await api.listTagsForResource({ resourceArn });
    return { name: id, arn: resourceArn, retentionInDays: live.retentionInDays ?? 0, tags: tags ?? {} };
  },
  update: setRetention,
  async retag(_id, tags, removed, { arn: resourceArn }) {
    const api = await logs();
    if (removed.length > 0) await api.untagResource({ resourceArn, tagKeys: removed });
    await api.tagResource({ resourceArn, tags });
  },
  async delete(id) {
    await orGone((await logs()).deleteLogGroup({ logGroupName: id }), "ResourceNotFoundException");
  },
};

const flowLog: Resource = {
  noun: "EC2 Flow Log",
  cloudFormation: {
    type: "AWS::EC2::FlowLog",
    names: { vpcId: "ResourceId", iamRoleArn: "DeliverLogsPermissionArn" },
    fixed: { ResourceType: "VPC", LogDestinationType: "cloud-watch-logs" },
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
    rules: { properties: { MaxAggregationInterval: { enum: [60, 600] } } },
  },
  inputs: {
    vpcId: ["required", "replace"],
    trafficType: ["required", "replace"],
    logDestination: ["required", "replace"],
    iamRoleArn: ["required", "replace"],
    maxAggregationInterval: ["replace"],
    tags: [],
  },
  async create(inputs) {
    const { FlowLogIds: [id = ""] = [], Unsuccessful: [failed] = [] } = await (await ec2()).createFlowLogs({
      ResourceType: "VPC",
      ResourceIds: [inputs.vpcId],
      TrafficType: inputs.trafficType as TrafficType,
      LogDestinationType: "cloud-watch-logs",
      LogDestination: inputs.logDestination,
      DeliverLogsPermissionArn: inputs.iamRoleArn,
      MaxAggregationInterval: inputs.maxAggregationInterval,
      ...tagged("vpc-flow-log", inputs.tags),
    });
    // AWS answers 200 to this one even if it made none.
    if (failed) throw Object.assign(new Error(failed.Error?.Message), { name: failed.Error?.Code });
    return id;
  },
  async read(id) {
    const { FlowLogs: [live] = [] } = await (await ec2()).describeFlowLogs({ FlowLogIds: [id] });
    return (
      live && {
        ...pick(live, "TrafficType", "LogDestination", "LogDestinationType", "LogFormat", "MaxAggregationInterval"),
        vpcId: live.ResourceId,
        iamRoleArn: live.DeliverLogsPermissionArn,
        arn: arn("ec2", live.DeliverLogsPermissionArn?.split(":")[4], `vpc-flow-log/${id}`),
        tags: fromTags(live.Tags),
      }
    );
  },
  retag: retagEc2,
  async delete(id) {
    await orGone((await ec2()).deleteFlowLogs({ FlowLogIds: [id] }), "InvalidFlowLogId.NotFound");
  },
};

export const flowLogResources = {
  "aws:cloudwatch/logGroup:LogGroup": logGroup,
  "aws:ec2/flowLog:FlowLog": flowLog,
};
