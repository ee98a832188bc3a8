"""EC2, where moto and AWS differ: GetConsoleOutput answers what the machine really printed, an instance is what its launch says and seen
only when it is whole, the region has a Local Zone, and a launch template's later versions have their source."""

import os
from copy import deepcopy
from pathlib import Path
from threading import Lock

from marks import touches
from methods import replacing
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami
from moto.ec2.models.availability_zones_and_regions import Zone
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.models.instances import Instance
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend, LaunchTemplateVersion
from moto.ec2.responses._base_response import EC2BaseResponse
from moto.ec2.responses.availability_zones_and_regions import AvailabilityZonesAndRegions
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import Base64EncodedString, convert_tag_spec
from moto.utilities.utils import filter_resources

CONSOLE = Path(os.environ["LOCAL_CLOUD_DIR"], "console")
EC2_LIMIT = 64 * 1024  # EC2 keeps the most recent 64 KB


@replacing(General, "get_console_output")
def get_console_output(_original, self: General) -> ActionResult:
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))  # refuses an unknown id as EC2 does
    log = CONSOLE / f"{instance.id}.log"
    output = log.read_bytes()[-EC2_LIMIT:].decode(errors="replace") if log.exists() else ""
    return ActionResult(
        {"InstanceId": instance.id, "Timestamp": utcnow(), "Output": Base64EncodedString.from_raw_string(output)}
    )


# A Local Zone, as other regions have, to which the account has opted in: it is listed, offers what the first zone offers, and sorts before
# it. moto refuses a subnet there.
Zone.opt_in_status = "opt-in-not-required"
local_zone = Zone("ap-northeast-2-local-1a", "ap-northeast-2", "apne2-local1-az1", "local-zone")
local_zone.opt_in_status = "opted-in"
offerings = INSTANCE_TYPE_OFFERINGS["availability-zone"]["ap-northeast-2"]
offerings += [{**each, "Location": local_zone.name} for each in offerings if each["Location"] == "ap-northeast-2a"]


@replacing(AvailabilityZonesAndRegions, "describe_availability_zones")
def describe_availability_zones(_original, self: AvailabilityZonesAndRegions) -> ActionResult:
    zones = [*self.ec2_backend.describe_availability_zones(), local_zone]
    known = ("zone-id", "zone-type", "region-name", "state", "opt-in-status")
    attributes = (("zone-name", "name"), *((each, each.replace("-", "_")) for each in known))
    return ActionResult({"AvailabilityZones": filter_resources(zones, self._filters_from_querystring(), attributes)})


@replacing(LaunchTemplateBackend, "create_launch_template")
def create_without_own_tags(original, self: LaunchTemplateBackend, name: str, description: str, data: dict, tag_spec: dict) -> LaunchTemplate:
    """moto adds the template's own tags to those that its instances get."""
    specifications = [each for each in data.pop("TagSpecifications", []) if each["ResourceType"] != "launch-template"]
    return original(self, name, description, {**data, **({"TagSpecifications": specifications} if specifications else {})}, tag_spec)


@replacing(LaunchTemplates, "create_launch_template_version")
def create_from_source(original, self: LaunchTemplates) -> ActionResult:
    """moto forgets the source."""
    if source := self._get_param("SourceVersion"):
        template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
        self.params["LaunchTemplateData"] = {**template.get_version(source).data, **self._get_param("LaunchTemplateData", {})}
    return original(self)


# moto shows the tags of the creation for ever.
LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, _: None)


def requested(version: LaunchTemplateVersion, params: dict) -> dict:
    """A launch from a template, of which moto itself takes little, as a request without one."""
    data = deepcopy(version.data)
    if user_data := data.get("UserData"):
        data["UserData"] = str(user_data)
    for interface in data.get("NetworkInterfaces", []):
        if "SubnetId" in params:
            interface["SubnetId"] = params.pop("SubnetId")
    tags = {"aws:ec2launchtemplate:id": version.template.id, "aws:ec2launchtemplate:version": str(version.number)}
    own = {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    specifications = [*data.get("TagSpecifications", []), *params.get("TagSpecifications", []), own]
    return {**data, **params, "TagSpecifications": specifications}


def check_image(backend: EC2Backend, ami: str | None, instance_type: str) -> Ami:
    if not (image := backend.amis.get(ami)):
        raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{ami}]' does not exist")
    [described] = backend.describe_instance_types([instance_type])
    architectures = described["ProcessorInfo"]["SupportedArchitectures"]
    if image.architecture not in architectures:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{','.join(architectures)}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try "
            "again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
        )
    return image


@replacing(InstanceResponse, "run_instances")
def launch(original, self: InstanceResponse) -> ActionResult:
    if template := self.params.pop("LaunchTemplate", None):
        self.params |= requested(self.ec2_backend._get_template_from_args(template), self.params)
    image = check_image(self.ec2_backend, self._get_param("ImageId"), self._get_param("InstanceType", "m1.small"))
    # A device of the image keeps what the launch does not say of it.
    of_image = {each["DeviceName"]: each["Ebs"] for each in image.block_device_mappings}
    for mapping in self._get_param("BlockDeviceMappings", []):
        own = {key: value for key, value in of_image.get(mapping["DeviceName"], {}).items() if key in ("VolumeType", "VolumeSize")}
        mapping["Ebs"] = {**own, "DeleteOnTermination": True, **mapping.get("Ebs", {})}
    # moto keeps groups with the instance, and tags no interface.
    for interface in self._get_param("NetworkInterfaces", []):
        self.params["SecurityGroupIds"] = interface.pop("Groups", [])
    result = original(self)
    tags = convert_tag_spec(self._get_param("TagSpecifications", [])).get("network-interface", {})
    for instance in result.result.instances:
        for interface in instance.nics.values():
            interface.add_tags(tags)
    return result


# moto lists an instance before it attaches volumes and profile; an instance that was read in between had no role.
LAUNCH = Lock()


@replacing(InstanceResponse, "run_instances")
@replacing(InstanceResponse, "describe_instances")
def one_at_a_time(original, self: InstanceResponse) -> ActionResult:
    with LAUNCH:
        return original(self)


@replacing(InstanceResponse, "stop_instances")
def refuse_to_stop(_original, self: InstanceResponse) -> ActionResult:
    raise EC2ClientError("UnsupportedOperation", "This cloud stops no instance: terminate it.")


# On AWS the interface that a launch makes ends with its instance.
@replacing(Instance, "terminate")
def terminate_with_interfaces(original, self: Instance) -> object:
    for interface in self.nics.values():
        interface.delete_on_termination = True
    return original(self)


touches(EC2BaseResponse)
