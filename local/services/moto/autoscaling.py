"""Auto Scaling, where moto and AWS differ: a group keeps what was asked for and launches nothing. The engine (../ec2/scaling.ts) does that,
and reports what it did."""

import json
from datetime import datetime
from uuid import uuid4

from ec2 import check_image
from iam import ACCOUNT, REGION
from marks import touches
from methods import before, replacing
from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState, autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores, utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends
from moto.moto_api._internal.urls import url_paths

touches(AutoScalingResponse)

ACTIVE = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")
MALFORMED = "You must use a valid fully-formed launch template."
KEPT = ("DefaultInstanceWarmup", "InstanceMaintenancePolicy", "TerminationPolicies", "HealthCheckGracePeriod")


def refuse(code: str, message: str) -> None:
    raise AutoscalingClientError(code, message)


def find(self: AutoScalingResponse) -> FakeAutoScalingGroup:
    name = self._get_param("AutoScalingGroupName")
    group = self.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


# What moto does by itself, and the engine does here.


def store_capacity(self: FakeAutoScalingGroup, capacity: int | None) -> None:
    self.desired_capacity = self.min_size if capacity is None else capacity


FakeAutoScalingGroup.set_desired_capacity = store_capacity
AutoScalingBackend.update_attached_target_groups = lambda self, group_name: None
AutoScalingBackend.notify_terminate_instances = lambda self, instance_ids: None


# An instance has the template's version that it was launched from, which need not be the group's: it is reported.
InstanceState.launch_template = None


# Calls.


def check_size(minimum: int, maximum: int, desired: int | None) -> None:
    if minimum > maximum:
        raise ValidationError(f"Max bound, {maximum}, must be greater than or equal to min bound, {minimum}")
    if desired is not None and not minimum <= desired <= maximum:
        raise ValidationError(f"Desired capacity:{desired} must be between the specified min size:{minimum} and max size:{maximum}")


def keep(self: AutoScalingResponse, group: FakeAutoScalingGroup) -> None:
    """What moto drops."""
    params = self._get_params()
    for name in KEPT:
        if name in params:
            setattr(group, camelcase_to_underscores(name), params[name])


@replacing(AutoScalingResponse, "create_auto_scaling_group")
def create(original, self: AutoScalingResponse) -> ActionResult:
    params = self._get_params()
    name = params["AutoScalingGroupName"]
    if name in self.autoscaling_backend.autoscaling_groups:
        refuse("AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name} already exists")
    check_size(params["MinSize"], params["MaxSize"], params.get("DesiredCapacity"))
    check_data(self, check_version(self, params.get("LaunchTemplate", {})).data)
    for arn in params.get("TargetGroupARNs", []):
        target_group = elbv2_backends[ACCOUNT][REGION].target_groups.get(arn)
        if target_group is None:
            raise ValidationError("Provided Target Groups may not be valid. Please ensure they exist and try again.")
        if target_group.target_type != "instance":  # https://github.com/hashicorp/terraform/issues/18674
            wanted = "Please ensure all provided Target Groups have target type of instance."
            raise ValidationError(f"Provided Target Group '{arn}' has invalid target type. {wanted}")
    result = original(self)
    group = self.autoscaling_backend.autoscaling_groups[name]
    group.health_check_grace_period = 0
    group.refreshes, group.activities = [], []
    keep(self, group)
    return result


def check_version(self: AutoScalingResponse, template: dict) -> LaunchTemplateVersion:
    id, version = template.get("LaunchTemplateId"), template.get("Version") or "$Default"
    if version.startswith("$") or not id:
        raise ValidationError(f"This cloud takes a launch template by its id and a numbered version, and not {id} and {version}")
    try:
        return self.autoscaling_backend.ec2_backend.get_launch_template(id).get_version(version)
    except EC2ClientError as error:
        raise ValidationError(f"{MALFORMED} {error.message}") from None


def check_data(self: AutoScalingResponse, data: dict) -> None:
    """
    EC2 takes a template of what is not there, and a group of it is refused: https://github.com/hashicorp/terraform-provider-aws/issues/29866,
    https://github.com/Genaker/TerraformMagentoCloud/issues/21
    """
    ec2, profiles = self.autoscaling_backend.ec2_backend, iam_backends[ACCOUNT]["aws"].get_instance_profiles()
    interfaces = data.get("NetworkInterfaces", [])
    # https://github.com/hashicorp/terraform-provider-aws/issues/4570, https://github.com/eksctl-io/eksctl/pull/743
    if not all(each.get("Groups") for each in interfaces):
        refuse("InvalidQueryParameter", "Invalid launch template: When a network interface is provided, the security groups must be a part of it.")
    if interfaces and 0 not in [each.get("DeviceIndex") for each in interfaces]:
        refuse("InvalidQueryParameter", "Incompatible launch template: The network interface's device index must be zero.")
    groups = [*data.get("SecurityGroupIds", []), *(id for each in interfaces for id in each["Groups"])]
    wrong = [
        f"Value ({value}) for parameter iamInstanceProfile.{key.lower()} is invalid. Invalid IAM Instance Profile {'ARN' if key == 'Arn' else 'name'}"
        for key, value in data.get("IamInstanceProfile", {}).items()
        if value not in [getattr(each, key.lower()) for each in profiles]
    ]
    wrong += [f"The security group '{id}' does not exist" for id in groups if not ec2.get_security_group_from_id(id)]
    try:
        check_image(ec2, data.get("ImageId"), data.get("InstanceType", "m1.small"))
    except EC2ClientError as error:
        wrong.append(error.message)
    if wrong:
        raise ValidationError(f"{MALFORMED} {wrong[0]}")


@replacing(AutoScalingResponse, "update_auto_scaling_group")
def update(original, self: AutoScalingResponse) -> ActionResult:
    group, params = find(self), self._get_params()
    minimum, maximum = params.get("MinSize", group.min_size), params.get("MaxSize", group.max_size)
    check_size(minimum, maximum, params.get("DesiredCapacity"))
    if "LaunchTemplate" in params:
        raise ValidationError("This cloud gives a group another launch template by an instance refresh alone")
    before = group.desired_capacity
    result = original(self)
    if "DesiredCapacity" not in params:
        group.desired_capacity = min(max(before, minimum), maximum)
    keep(self, group)
    return result


@before(AutoScalingResponse, "set_desired_capacity")
def check_capacity(self: AutoScalingResponse) -> None:
    group, capacity = find(self), self._get_int_param("DesiredCapacity")
    limits = ((capacity > group.max_size, f"above max value {group.max_size}"), (capacity < group.min_size, f"below min value {group.min_size}"))
    for is_outside, where in limits:
        if is_outside:
            raise ValidationError(f"New SetDesiredCapacity value {capacity} is {where} for the AutoScalingGroup.")


before(AutoScalingResponse, "put_scaling_policy")(find)


def refuse_unknown(self: AutoScalingResponse) -> None:
    raise ValidationError(f"This cloud does not know {self._get_action()}")


# The engine does not follow these. What one in Standby does: https://github.com/hashicorp/terraform-provider-aws/issues/34113
for call in "attach_instances", "detach_instances", "enter_standby", "put_lifecycle_hook", "put_warm_pool", "suspend_processes":
    setattr(AutoScalingResponse, call, refuse_unknown)


@replacing(AutoScalingResponse, "delete_auto_scaling_group")
def delete(_original, self: AutoScalingResponse) -> ActionResult:
    group = find(self)
    if not group.instance_states:
        del self.autoscaling_backend.autoscaling_groups[group.name]
    elif self._get_bool_param("ForceDelete", False):
        group.min_size = group.max_size = group.desired_capacity = 0
        group.status = "Delete in progress"
    else:
        refuse(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        )
    return EmptyResult()


def describe_scaling_activities(self: AutoScalingResponse) -> ActionResult:
    return ActionResult({"Activities": find(self).activities})


# Instance refreshes.


def active(group: FakeAutoScalingGroup) -> list[dict]:
    return [each for each in group.refreshes if each["Status"] in ACTIVE]


def start_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    group, params = find(self), self._get_params()
    preferences, wanted = params.get("Preferences", {}), params.get("DesiredConfiguration")
    if active(group):
        refuse("InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.")
    least, most = preferences.get("MinHealthyPercentage"), preferences.get("MaxHealthyPercentage")
    if most is not None and (least is None or most - least > 100):
        raise ValidationError("You must specify MinHealthyPercentage with MaxHealthyPercentage, and the difference between them cannot be greater than 100.")
    if not 0 <= preferences.get("BakeTime", 0) <= 172_800:
        raise ValidationError("BakeTime must be between 0 and 172800 seconds.")
    if unknown := {"AlarmSpecification", "CheckpointDelay", "CheckpointPercentages"} & set(preferences):
        raise ValidationError(f"This cloud does not know these preferences of an instance refresh: {', '.join(sorted(unknown))}")
    if wanted:
        check_version(self, wanted["LaunchTemplate"])
    if preferences.get("AutoRollback"):
        check_rollback(wanted, "ValidationError")
    refresh = {"InstanceRefreshId": str(uuid4()), "AutoScalingGroupName": group.name, "Status": "Pending", "StartTime": utcnow()}
    refresh |= {"Strategy": params.get("Strategy", "Rolling"), "PercentageComplete": 0, "InstancesToUpdate": len(group.instance_states)}
    refresh |= {"Preferences": preferences, **({"DesiredConfiguration": wanted} if wanted else {})}
    group.refreshes.insert(0, refresh)
    return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})


def check_rollback(wanted: dict | None, code: str) -> None:
    # https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
    if not wanted:
        refuse(code, "A rollback is not supported where no desired configuration is specified for the instance refresh.")


def the_active(group: FakeAutoScalingGroup) -> dict:
    for each in active(group):
        return each
    refuse("ActiveInstanceRefreshNotFound", f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}")


def cancel_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    refresh = the_active(find(self))
    refresh["Status"] = "Cancelling"
    # By default it waits for what is launched or terminated: ../ec2/scaling.ts.
    if not self._get_bool_param("WaitForTransitioningInstances", True):
        refresh |= {"Status": "Cancelled", "StatusReason": "Cancelled due to user request.", "EndTime": utcnow()}
    return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})


def rollback_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    refresh = the_active(find(self))
    check_rollback(refresh.get("DesiredConfiguration"), "IrreversibleInstanceRefresh")
    begin_rollback(refresh, "Rollback was requested by the user.")
    return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})


def begin_rollback(refresh: dict, reason: str) -> None:
    if refresh["Status"] != "RollbackInProgress":
        refresh["RollbackDetails"] = {"RollbackReason": reason, "RollbackStartTime": utcnow()}
        refresh["RollbackDetails"]["PercentageCompleteOnRollback"] = refresh["PercentageComplete"]
        refresh["Status"] = "RollbackInProgress"


def describe_instance_refreshes(self: AutoScalingResponse) -> ActionResult:
    ids = self._get_param("InstanceRefreshIds", [])
    return ActionResult({"InstanceRefreshes": [each for each in find(self).refreshes if not ids or each["InstanceRefreshId"] in ids]})


for call in describe_scaling_activities, start_instance_refresh, cancel_instance_refresh, rollback_instance_refresh, describe_instance_refreshes:
    setattr(AutoScalingResponse, call.__name__, call)


# What the engine reports of a group: `{"group", "members", "activities", "refresh"}`, each of the last three where it has changed.


def report(request, _url: str, _headers: dict) -> tuple[int, dict, str]:
    given = json.loads(request.data)
    backend = autoscaling_backends[ACCOUNT][REGION]
    group = backend.autoscaling_groups.get(given["group"])
    if group is None:
        return 404, {}, ""
    if "members" in given:
        group.instance_states = [member(backend, group, each) for each in given["members"]]
    group.activities = [with_times(each) for each in given.get("activities", [])] + group.activities
    if refresh := given.get("refresh"):
        change(group, with_times(refresh))
    if getattr(group, "status", None) and not group.instance_states:
        del backend.autoscaling_groups[group.name]
    return 200, {}, ""


def member(backend: AutoScalingBackend, group: FakeAutoScalingGroup, given: dict) -> InstanceState:
    made = InstanceState(backend.ec2_backend.get_instance(given["id"]), given["lifecycle"], given["health"], given["isProtected"], group)
    made.launch_template = dict(zip(("LaunchTemplateId", "Version"), given["template"].split(":")))
    return made


def with_times(given: dict) -> dict:
    return {key: datetime.fromisoformat(value).replace(tzinfo=None) if key.endswith("Time") else value for key, value in given.items()}


def change(group: FakeAutoScalingGroup, given: dict) -> None:
    before = given.pop("before")
    for refresh in group.refreshes:
        # What was asked for in between, a cancellation or a rollback, is not undone.
        if refresh["InstanceRefreshId"] != given["InstanceRefreshId"] or refresh["Status"] != before:
            continue
        if given.get("Status") == "RollbackInProgress":
            begin_rollback(refresh, given.get("StatusReason", ""))
        refresh |= given
        if given.get("Status") == "Successful" and "DesiredConfiguration" in refresh:
            wanted = refresh["DesiredConfiguration"]["LaunchTemplate"]
            group._set_launch_configuration(None, wanted, None)


url_paths["{0}/moto-api/autoscaling$"] = report
