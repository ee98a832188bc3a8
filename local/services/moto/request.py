"""What a call asks of IAM: actions, the resource that each is on, and the condition keys that go with it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from authorizer import ask
from methods import replacing
from moto.backends import get_backend
from moto.core.base_backend import BaseBackend
from moto.core.responses import BaseResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE
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
class Call:
    service: str
    name: str
    params: dict
    account: str
    region: str

    @property
    def action(self) -> str:
        return f"{self.service}:{self.name}"

    def backend(self, service: str) -> BaseBackend:
        """What moto has of a service."""
        return get_backend(service)[self.account]["aws" if service == "iam" else self.region]


def checks_of(call: Call) -> list[dict]:
    """The actions that the call needs: each must be allowed, on its resource."""
    tags = request_tags(call)
    context = {"aws:RequestedRegion": call.region, "ec2:Region": call.region}
    if keys := list(tags) + call.params.get("TagKeys", call.params.get("tagKeys", [])):
        context["aws:TagKeys"] = keys
    resources = list(resources_of(call))
    checks = []

    def check(action: str, resource: str, **more: str | list[str]) -> None:
        checks.append({"action": action, "resource": resource, "context": {**context, **more}})

    types = ask(call.action) or []
    if not types:
        check(call.action, "*")
    for kind in types:
        for name in [name for type, name in resources if type == kind["type"]]:
            resource = arn(call, kind["arn"], name)
            check(call.action, resource, **context_of(call, resource), **with_prefix("aws:RequestTag/", tags))
            if policy := policy_of(call, resource):
                checks[-1]["resourcePolicy"] = json.loads(policy)
        specified = specified_tags(call, kind["type"])
        # `listener/app`, `listener/net` and `listener/gwy` each count as required: a call is on one of them.
        is_named = any(type.partition("/")[0] == kind["type"].partition("/")[0] for type, _ in resources)
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
    if template.endswith("${ParameterNameWithoutLeadingSlash}"):
        name = name.lstrip("/")
    account = "" if ":parameter/" in template and name.startswith("aws/") else call.account
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
    elif isinstance(params, dict | list):
        for value in params.values() if isinstance(params, dict) else params:
            yield from values(value)


# By service: the types of what its calls are on, and the parameters that have the name, or the ARN, of one or of several.
NAMED = {
    "acm": {"certificate": ("CertificateArn",)},
    "cloudwatch": {"alarm": ("AlarmName", "AlarmNames", "ResourceARN")},
    "ecr": {"repository": ("repositoryName", "repositoryNames", "resourceArn")},
    "iam": {"user": ("UserName",), "policy": ("PolicyArn",)},
    "logs": {"log-group": ("resourceArn",)},
    "ssm": {"parameter": ("Name", "Names")},
    "sts": {"role": ("RoleArn",)},
}


def resources_of(call: Call) -> Iterator[tuple[str, str]]:
    """The type of each thing that the call is on, and its name or its ARN."""
    for type, params in NAMED.get(call.service, {}).items():
        yield from ((type, name) for name in values([call.params.get(each) for each in params]))
    yield from OTHERWISE_NAMED.get(call.service, lambda _: ())(call)


def ec2_resources(call: Call) -> Iterator[tuple[str, str]]:
    backend = call.backend("ec2")
    ids = set(values({key: value for key, value in call.params.items() if not key.startswith("Tag")}))
    for association in [each for each in ids if each.startswith("rtbassoc-")]:
        for table in backend.route_tables.values():
            if association in table._associations:
                ids |= {table.id, table._associations[association]}
    for association in [each for each in ids if each.startswith("eipassoc-")]:
        ids |= {each.allocation_id for each in backend.addresses if each.association_id == association}
    for each in ids:
        if kind := EC2_PREFIX_TO_RESOURCE.get(each.rpartition("-")[0]):
            yield {"flow-logs": "vpc-flow-log", "nat-gateway": "natgateway", "vpc-elastic-ip": "elastic-ip"}.get(kind, kind), each


def by_name(things: dict) -> dict:
    return {each.name: each for each in things.values()}


def iam_resources(call: Call) -> Iterator[tuple[str, str]]:
    backend = call.backend("iam")
    kinds = (("role", "RoleName", backend.roles), ("instance-profile", "InstanceProfileName", backend.instance_profiles))
    for type, parameter, things in kinds:
        if name := call.params.get(parameter):
            there = by_name(things).get(name)
            yield type, there.arn if there else call.params.get("Path", "/")[1:] + name


def kms_resources(call: Call) -> Iterator[tuple[str, str]]:
    # What moto has encrypted begins with the key's id.
    if blob := call.params.get("CiphertextBlob"):
        yield "key", blob[:36].decode()


def logs_resources(call: Call) -> Iterator[tuple[str, str]]:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    if name := call.params.get("logGroupName"):
        yield "log-group", f"{name}:log-stream:"
        if stream := call.params.get("logStreamName"):
            yield "log-stream", f"{name}:log-stream:{stream}"


def autoscaling_resources(call: Call) -> Iterator[tuple[str, str]]:
    groups = call.backend("autoscaling").autoscaling_groups
    names = [call.params.get("AutoScalingGroupName"), *(tag.get("ResourceId") for tag in call.params.get("Tags", []))]
    for name in sorted(set(filter(None, names))):
        new = f"arn:aws:autoscaling:{call.region}:{call.account}:autoScalingGroup:{NEW}:autoScalingGroupName/{name}"
        yield "autoScalingGroup", groups[name].arn if name in groups else new


# What a creation makes: there is no ARN yet.
NEW_BALANCERS = {"CreateLoadBalancer": "loadbalancer/app", "CreateTargetGroup": "targetgroup"}


def elb_resources(call: Call) -> Iterator[tuple[str, str]]:
    """Of whatever type the call is on: AWS's data has one for each kind of load balancer."""
    prefix = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}:"
    own = [each for each in values(call.params) if each.startswith(prefix)]
    if kind := NEW_BALANCERS.get(call.name):
        own = [f"{prefix}{kind}/{call.params['Name']}/{NEW}"]
    # A listener's actions name target groups, which need no permission.
    if call.name in ("CreateListener", "ModifyListener"):
        own = [each for each in own if ":targetgroup/" not in each]
    for each in own:
        types = {"loadbalancer": ["loadbalancer", "loadbalancer/app/"], "listener": ["listener/app"], "targetgroup": ["targetgroup"]}
        is_tagging = call.name in ("AddTags", "RemoveTags")
        named = ["loadbalancer"] if is_tagging else types[each.removeprefix(prefix).partition("/")[0]]
        yield from ((type, each) for type in named)


OTHERWISE_NAMED = {
    "autoscaling": autoscaling_resources,
    "ec2": ec2_resources,
    "elasticloadbalancing": elb_resources,
    "iam": iam_resources,
    "kms": kms_resources,
    "logs": logs_resources,
}

# IAM sees the tags of what is new only some seconds later. https://github.com/hashicorp/terraform-provider-aws/issues/6055
LATE = timedelta(seconds=3)
# By ARN: when it got its first tags.
tagged: dict[str, datetime] = {}


@replacing(TaggingService, "tag_resource")
def remember(original, self: TaggingService, arn: str, tags: list[dict] | None) -> None:
    tagged.setdefault(arn, datetime.now())
    original(self, arn, tags)


def tags_of(call: Call, arn: str) -> dict[str, str]:
    service, id = arn.split(":")[2], arn.rpartition("/")[2]
    match service:
        case "autoscaling":
            group = call.backend(service).autoscaling_groups.get(id)
            return to_dict(group.tags) if group and datetime.now() - datetime.fromisoformat(group.created_time) > LATE else {}
        case "ec2":
            tags = call.backend(service).tags
            return {**tags[id]} if id in tags else {}
        case "elasticloadbalancing":
            is_seen = datetime.now() - tagged.get(arn, datetime.min) > LATE
            return call.backend("elbv2").tagging_service.get_tag_dict_for_resource(arn) if is_seen else {}
        case "iam":
            return to_dict(getattr(in_iam(call, arn), "tags", []))
        case "cloudwatch" | "ecr" | "logs":
            return call.backend(service).tagger.get_tag_dict_for_resource(arn.removesuffix(":log-stream:"))
    return {}


def in_iam(call: Call, arn: str) -> object:
    backend = call.backend("iam")
    return next((each for each in [*backend.roles.values(), *backend.instance_profiles.values()] if each.arn == arn), None)


def context_of(call: Call, arn: str) -> dict[str, str]:
    """The condition keys that go with a resource."""
    tags = tags_of(call, arn)
    context = {**with_prefix("aws:ResourceTag/", tags), **with_prefix(f"{arn.split(':')[2]}:ResourceTag/", tags)}
    if call.service == "iam" and ":role/" in arn:
        boundary = call.params.get("PermissionsBoundary") or getattr(in_iam(call, arn), "permissions_boundary_arn", None)
        keys = {"iam:PermissionsBoundary": boundary, "iam:PolicyARN": call.params.get("PolicyArn")}
        context |= {key: value for key, value in keys.items() if value}
    # What is gone has neither.
    kind, _, id = arn.rpartition(":")[2].partition("/")
    if kind == "instance" and (instance := call.backend("ec2").get_instance_by_id(id)):
        context["ec2:InstanceType"] = instance.instance_type
    if kind == "elastic-ip" and id != NEW:
        context["ec2:AllocationId"] = id
    return context


def policy_of(call: Call, arn: str) -> str | None:
    """The resource's own, which decides too."""
    if call.service == "ecr":
        return getattr(call.backend("ecr").repositories.get(arn.partition(":repository/")[2]), "policy", None)
    if call.service == "kms":
        return getattr(call.backend("kms").keys.get(arn.partition(":key/")[2]), "policy", None)
    return getattr(in_iam(call, arn), "assume_role_policy_document", None) if call.service == "sts" else None


def launches(call: Call) -> Iterator[Call]:
    """
    A user who gives a group a launch template must be allowed to launch from it.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
    """
    given = call.params if call.service == "autoscaling" else {}
    given = given.get("DesiredConfiguration", given)
    if template := given.get("LaunchTemplate"):
        backend = call.backend("ec2")
        data = backend.get_launch_template(template["LaunchTemplateId"]).get_version(template.get("Version", "$Default")).data
        group = call.backend("autoscaling").autoscaling_groups.get(call.params.get("AutoScalingGroupName"))
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
    parameter = call.backend("ssm").get_parameter(call.params["Name"])
    return parameter is not None and parameter.parameter_type == "SecureString"


def passed(call: Call) -> Iterator[tuple[str, str]]:
    """Roles that the call passes to a service."""
    parameter, service = PASSING.get(call.action, ("", ""))
    given = call.params.get(parameter)
    if not given:
        return
    backend = call.backend("iam")
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
