"""What a call asks of IAM: actions, the resource that each is on, and the condition keys that go with it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from authorizer import ask
from methods import replacing
from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import BaseResponse
from moto.ec2.models import ec2_backends
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE
from moto.ecr.models import ecr_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.ssm.models import ssm_backends
from moto.utilities.tagging_service import TaggingService

NEW = "new"  # stands for an id or a name that is not known yet

# Creating something with tags needs the permission to tag it, too.
TAGGING = {
    "iam:CreateRole": "iam:TagRole",
    "iam:CreateInstanceProfile": "iam:TagInstanceProfile",
    "ecr:CreateRepository": "ecr:TagResource",
    "logs:CreateLogGroup": "logs:TagResource",
    "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "autoscaling:CreateAutoScalingGroup": "autoscaling:CreateOrUpdateTags",
    "elasticloadbalancing:CreateLoadBalancer": "elasticloadbalancing:AddTags",
    "elasticloadbalancing:CreateTargetGroup": "elasticloadbalancing:AddTags",
    "elasticloadbalancing:CreateListener": "elasticloadbalancing:AddTags",
}

# Where IAM's actions do not begin with the name that requests are signed for.
PREFIXES = {"monitoring": "cloudwatch"}

# Calls that pass a role to a service: the parameter that names the role, and the service.
PASSING = {
    "ec2:RunInstances": ("IamInstanceProfile", "ec2.amazonaws.com"),
    "ec2:CreateFlowLogs": ("DeliverLogsPermissionArn", "vpc-flow-logs.amazonaws.com"),
    "iam:AddRoleToInstanceProfile": ("RoleName", "ec2.amazonaws.com"),
}

# Elastic Load Balancing calls EC2 with its caller's permissions. AWS's data for each action does not say so; its documentation does:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html
# It leaves out GetSecurityGroupsForVpc: https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/3917
DEPENDENT = {
    "elasticloadbalancing:CreateLoadBalancer": [
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ec2:GetSecurityGroupsForVpc",
    ],
    "elasticloadbalancing:CreateTargetGroup": ["ec2:DescribeInternetGateways", "ec2:DescribeVpcs"],
    "elasticloadbalancing:SetSecurityGroups": ["ec2:GetSecurityGroupsForVpc"],
}


@dataclass
class Resource:
    """What a call names, with the condition keys that go with it, such as its tags."""

    type: str
    name: str
    context: dict = field(default_factory=dict)
    policy: str | None = None  # its own, which decides too


@dataclass
class Call:
    service: str
    name: str
    params: dict
    account: str
    region: str

    @property
    def action(self) -> str:
        return f"{self.service}:{self.name}"


def checks_of(call: Call) -> list[dict]:
    """The actions that the call needs: each must be allowed, on its resource."""
    tags = request_tags(call)
    context = {"aws:RequestedRegion": call.region, "ec2:Region": call.region}
    if keys := list(tags) + call.params.get("TagKeys", call.params.get("tagKeys", [])):
        context["aws:TagKeys"] = keys
    resources = list(RESOURCES.get(call.service, lambda _: ())(call))
    checks = []

    def check(action: str, resource: str, **more: str | list[str]) -> None:
        checks.append({"action": action, "resource": resource, "context": {**context, **more}})

    types = ask(call.action) or []
    if not types:
        check(call.action, "*")
    for kind in types:
        named = [each for each in resources if each.type == kind["type"]]
        for each in named:
            check(call.action, arn(call, kind["arn"], each.name), **each.context, **with_prefix("aws:RequestTag/", tags))
            if each.policy:
                checks[-1]["resourcePolicy"] = json.loads(each.policy)
        specified = specified_tags(call, kind["type"])
        # `listener/app`, `listener/net` and `listener/gwy` each count as required: a call is on one of them.
        is_named = any(each.type.partition("/")[0] == kind["type"].partition("/")[0] for each in resources)
        # A launch creates a volume, whether or not the request names it.
        if not is_named and (kind["required"] or specified or (call.action, kind["type"]) == ("ec2:RunInstances", "volume")):
            check(call.action, arn(call, kind["arn"], NEW), **with_prefix("aws:RequestTag/", specified))
        if specified:
            keys = {**with_prefix("aws:RequestTag/", specified), "aws:TagKeys": list(specified)}
            check("ec2:CreateTags", arn(call, kind["arn"], NEW), **keys, **{"ec2:CreateAction": call.name})
    # Where a call may be on one type or another and names none that is known here, no condition on a resource holds.
    if types and not checks:
        check(call.action, arn(call, types[0]["arn"], NEW))
    if call.action in TAGGING and tags:
        keys = with_prefix("aws:RequestTag/", tags)
        made = checks[0]["resource"]
        if call.name == "CreateListener":
            made = made.replace(":loadbalancer/", ":listener/") + f"/{NEW}"
        elif call.service == "elasticloadbalancing":
            # AWS says so of load balancers and target groups, and not of listeners:
            # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/tagging-resources-during-creation.html
            keys["elasticloadbalancing:CreateAction"] = call.name
        check(TAGGING[call.action], made, **keys)
    for action in DEPENDENT.get(call.action, ()):
        check(action, "*")
    for role, service in passed(call):
        check("iam:PassRole", role, **{"iam:PassedToService": service})
    if decrypts(call):
        keys = {"kms:ViaService": f"ssm.{call.region}.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": checks[0]["resource"]}
        check("kms:Decrypt", f"arn:aws:kms:{call.region}:{call.account}:key/{NEW}", **keys)
        # The key's own policy leaves the decision to IAM, as that of a new key does.
        root = {"AWS": f"arn:aws:iam::{call.account}:root"}
        allow = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
        checks[-1]["resourcePolicy"] = {"Version": "2012-10-17", "Statement": [allow]}
    for launch in launches(call):
        checks += checks_of(launch)
    return checks


def arn(call: Call, template: str, name: str) -> str:
    """`arn:${Partition}:ec2:${Region}:${Account}:vpc/${VpcId}`"""
    if name.startswith("arn:"):
        return name
    account = "" if template.endswith("parameter/${ParameterNameWithoutLeadingSlash}") and name.startswith("aws/") else call.account
    known = {"${Partition}": "aws", "${Region}": call.region, "${Account}": account}
    for variable, value in known.items():
        template = template.replace(variable, value)
    # What is new has no name for any of the variables that are left, such as ${ServiceCode}/${QuotaCode}.
    return re.sub(r"\$\{\w+\}", NEW, template) if name == NEW else template.partition("${")[0] + name


def with_prefix(prefix: str, tags: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}{key}": value for key, value in tags.items()}


def to_dict(tags: list[dict] | dict | None) -> dict[str, str]:
    """Every service writes tags in its own way."""
    if isinstance(tags, dict):
        return {key: tag["Value"] if isinstance(tag, dict) else tag for key, tag in tags.items()}
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value", "")) for tag in tags or []}


def request_tags(call: Call) -> dict[str, str]:
    """Tags of a request that is on one thing, or that tags several in one way."""
    return to_dict(call.params.get("Tags", call.params.get("tags")))


def specified_tags(call: Call, kind: str) -> dict[str, str]:
    """EC2's tags for what a call makes, each for one type."""
    specifications = call.params.get("TagSpecifications", call.params.get("TagSpecification", []))
    return to_dict([tag for each in specifications if each.get("ResourceType") == kind for tag in each["Tags"]])


def values(params: object) -> Iterator[str]:
    """Every text in the parameters."""
    if isinstance(params, str):
        yield params
    elif isinstance(params, dict):
        for value in params.values():
            yield from values(value)
    elif isinstance(params, list):
        for value in params:
            yield from values(value)


def ec2_resources(call: Call) -> Iterator[Resource]:
    backend = ec2_backends[call.account][call.region]
    ids = set(values({key: value for key, value in call.params.items() if not key.startswith("Tag")}))
    for association in [each for each in ids if each.startswith("rtbassoc-")]:
        for table in backend.route_tables.values():
            if association in table._associations:
                ids |= {table.id, table._associations[association]}
    for association in [each for each in ids if each.startswith("eipassoc-")]:
        ids |= {each.allocation_id for each in backend.addresses if each.association_id == association}
    for each in ids:
        kind = EC2_PREFIX_TO_RESOURCE.get(each.rpartition("-")[0])
        if kind:
            kind = {"flow-logs": "vpc-flow-log", "nat-gateway": "natgateway", "vpc-elastic-ip": "elastic-ip"}.get(kind, kind)
            tags = {**backend.tags[each]} if each in backend.tags else {}
            yield Resource(kind, each, {**with_prefix("aws:ResourceTag/", tags), **with_prefix("ec2:ResourceTag/", tags)})


def by_name(things: dict) -> dict:
    return {each.name: each for each in things.values()}


def iam_resources(call: Call) -> Iterator[Resource]:
    backend = iam_backends[call.account]["aws"]
    params = call.params
    if name := params.get("RoleName"):
        role = by_name(backend.roles).get(name)
        path = role.path if role else params.get("Path", "/")
        boundary = params.get("PermissionsBoundary") or (role and role.permissions_boundary_arn)
        context = {
            **with_prefix("aws:ResourceTag/", to_dict(role.tags if role else [])),
            **({"iam:PermissionsBoundary": boundary} if boundary else {}),
            **({"iam:PolicyARN": params["PolicyArn"]} if "PolicyArn" in params else {}),
        }
        yield Resource("role", path[1:] + name, context)
    if name := params.get("InstanceProfileName"):
        profile = by_name(backend.instance_profiles).get(name)
        path = profile.path if profile else params.get("Path", "/")
        tags = to_dict(profile.tags if profile else [])
        yield Resource("instance-profile", path[1:] + name, with_prefix("aws:ResourceTag/", tags))
    if name := params.get("UserName"):
        yield Resource("user", name)
    if policy := params.get("PolicyArn"):
        yield Resource("policy", policy.partition(":policy/")[2])


def ecr_resources(call: Call) -> Iterator[Resource]:
    backend = ecr_backends[call.account][call.region]
    named = [call.params.get("repositoryName"), *call.params.get("repositoryNames", [])]
    named.append(call.params.get("resourceArn", "").partition(":repository/")[2])
    for name in filter(None, named):
        repository = backend.repositories.get(name)
        tags = backend.tagger.get_tag_dict_for_resource(repository.arn) if repository else {}
        yield Resource("repository", name, with_prefix("aws:ResourceTag/", tags), repository and repository.policy)


def logs_resources(call: Call) -> Iterator[Resource]:
    backend = logs_backends[call.account][call.region]
    resource = call.params.get("resourceArn", "").partition(":log-group:")[2]
    if name := call.params.get("logGroupName") or resource:
        tags = backend.tagger.get_tag_dict_for_resource(f"arn:aws:logs:{call.region}:{call.account}:log-group:{name}")
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
        suffix = "" if resource else ":log-stream:"
        yield Resource("log-group", name + suffix, with_prefix("aws:ResourceTag/", tags))
        if stream := call.params.get("logStreamName"):
            yield Resource("log-stream", f"{name}:log-stream:{stream}")


def ssm_resources(call: Call) -> Iterator[Resource]:
    for name in filter(None, [call.params.get("Name"), *call.params.get("Names", [])]):
        yield Resource("parameter", name.lstrip("/"))


def sts_resources(call: Call) -> Iterator[Resource]:
    backend = iam_backends[call.account]["aws"]
    if arn := call.params.get("RoleArn"):
        role = next((each for each in backend.roles.values() if each.arn == arn), None)
        yield Resource("role", arn.partition(":role/")[2], {}, role and role.assume_role_policy_document)


# IAM sees the tags of what is new only some seconds later. https://github.com/hashicorp/terraform-provider-aws/issues/6055
LATE = timedelta(seconds=3)


def autoscaling_resources(call: Call) -> Iterator[Resource]:
    backend = autoscaling_backends[call.account][call.region]
    names = [call.params.get("AutoScalingGroupName"), *(tag.get("ResourceId") for tag in call.params.get("Tags", []))]
    for name in sorted(set(filter(None, names))):
        group = backend.autoscaling_groups.get(name)
        new = f"arn:aws:autoscaling:{call.region}:{call.account}:autoScalingGroup:{NEW}:autoScalingGroupName/{name}"
        tags = to_dict(group.tags) if group and datetime.now() - datetime.fromisoformat(group.created_time) > LATE else {}
        keys = {**with_prefix("aws:ResourceTag/", tags), **with_prefix("autoscaling:ResourceTag/", tags)}
        yield Resource("autoScalingGroup", group.arn if group else new, keys)


# By ARN: when it got its first tags.
tagged: dict[str, datetime] = {}


@replacing(TaggingService, "tag_resource")
def remember(original, self: TaggingService, arn: str, tags: list[dict] | None) -> None:
    tagged.setdefault(arn, datetime.now())
    original(self, arn, tags)


# What a creation makes: there is no ARN yet.
NEW_BALANCERS = {"CreateLoadBalancer": "loadbalancer/app", "CreateTargetGroup": "targetgroup"}


def elb_resources(call: Call) -> Iterator[Resource]:
    """Of whatever type the call is on: AWS's data has one for each kind of load balancer."""
    tagger = elbv2_backends[call.account][call.region].tagging_service
    prefix = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}:"
    own = [each for each in values(call.params) if each.startswith(prefix)]
    if kind := NEW_BALANCERS.get(call.name):
        own = [f"{prefix}{kind}/{call.params['Name']}/{NEW}"]
    # A listener's actions name target groups, which need no permission.
    if call.name in ("CreateListener", "ModifyListener"):
        own = [each for each in own if ":targetgroup/" not in each]
    for each in own:
        kind = each.removeprefix(prefix)
        types = {"loadbalancer": ["loadbalancer", "loadbalancer/app/"], "listener": ["listener/app"], "targetgroup": ["targetgroup"]}
        named = types[kind.partition("/")[0]]
        seen = datetime.now() - tagged.get(each, datetime.min) > LATE
        tags = with_prefix("aws:ResourceTag/", tagger.get_tag_dict_for_resource(each) if seen else {})
        if call.name in ("AddTags", "RemoveTags"):
            yield Resource("loadbalancer", each, tags)
        else:
            yield from (Resource(type, each, tags) for type in named)


def cloudwatch_resources(call: Call) -> Iterator[Resource]:
    backend = cloudwatch_backends[call.account][call.region]
    named = [call.params.get("AlarmName"), *call.params.get("AlarmNames", [])]
    named.append(call.params.get("ResourceARN", "").partition(":alarm:")[2])
    for name in filter(None, named):
        arn = f"arn:aws:cloudwatch:{call.region}:{call.account}:alarm:{name}"
        yield Resource("alarm", name, with_prefix("aws:ResourceTag/", backend.tagger.get_tag_dict_for_resource(arn)))


def acm_resources(call: Call) -> Iterator[Resource]:
    if arn := call.params.get("CertificateArn"):
        yield Resource("certificate", arn)


RESOURCES = {
    "acm": acm_resources,
    "autoscaling": autoscaling_resources,
    "cloudwatch": cloudwatch_resources,
    "ec2": ec2_resources,
    "ecr": ecr_resources,
    "elasticloadbalancing": elb_resources,
    "iam": iam_resources,
    "logs": logs_resources,
    "ssm": ssm_resources,
    "sts": sts_resources,
}


def launches(call: Call) -> Iterator[Call]:
    """
    A user who gives a group a launch template must be allowed to launch from it.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
    """
    given = call.params if call.service == "autoscaling" else {}
    given = given.get("DesiredConfiguration", given)
    if template := given.get("LaunchTemplate"):
        backend = ec2_backends[call.account][call.region]
        data = backend.get_launch_template(template["LaunchTemplateId"]).get_version(template.get("Version", "$Default")).data
        group = autoscaling_backends[call.account][call.region].autoscaling_groups.get(call.params.get("AutoScalingGroupName"))
        subnets = call.params.get("VPCZoneIdentifier") or (group and group.vpc_zone_identifier) or ""
        params = {**data, "Subnets": subnets.split(","), "LaunchTemplate": template}
        yield Call("ec2", "RunInstances", params, call.account, call.region)


def decrypts(call: Call) -> bool:
    """
    Systems Manager decrypts a parameter in its caller's name. (AWS's own key, aws/ssm, lets everyone of the account; here no key does.)
    https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html
    """
    if call.action != "ssm:GetParameter" or not call.params.get("WithDecryption"):
        return False
    parameter = ssm_backends[call.account][call.region].get_parameter(call.params["Name"])
    return parameter is not None and parameter.parameter_type == "SecureString"


def passed(call: Call) -> Iterator[tuple[str, str]]:
    """Roles that the call passes to a service."""
    parameter, service = PASSING.get(call.action, ("", ""))
    given = call.params.get(parameter)
    if not given:
        return
    backend = iam_backends[call.account]["aws"]
    if isinstance(given, dict):
        for profile in backend.instance_profiles.values():
            if given.get("Name") == profile.name or given.get("Arn") == profile.arn:
                yield from ((role.arn, service) for role in profile.roles)
    elif given.startswith("arn:"):
        yield given, service
    else:
        role = by_name(backend.roles).get(given)
        yield role.arn if role else f"arn:aws:iam::{call.account}:role/{given}", service


def call_of(response: BaseResponse, service: str) -> Call:
    """The call in moto's hands, its parameters as boto3 names them."""
    kept = getattr(response, "params", None)
    try:
        BaseResponse.parse_parameters(response, response.normalized_request)
        params = dict(response.params)
    finally:
        response.params = kept
    return Call(PREFIXES.get(service, service), response._get_action(), params, response.current_account, response.region)
