"""Service Quotas: moto enforces none. Those that a young account meets first hold here, and GetServiceQuota answers with the value that holds."""

import json
import os
from pathlib import Path

from methods import before, replacing
from moto.core.exceptions import _RESTError as RESTError
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.servicequotas.models import ServiceQuotasBackend

VCPUS = "L-1216C47A"
VPCS = "L-F678F1CE"
ADDRESSES = "L-0263D0A3"
# By service and code: name and value.
QUOTAS = {
    # AWS's default is 5 vCPUs, where a release of two machines with 2 vCPUs each fails; 32 is what accounts in use are known to have:
    # https://github.com/scrapoxy/scrapoxy/issues/202, https://github.com/bentoml/bentoctl/issues/202
    ("ec2", VCPUS): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 32.0),
    # https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
    ("vpc", VPCS): ("VPCs per Region", 5.0),
    ("ec2", ADDRESSES): ("EC2-VPC Elastic IPs", 5.0),
    # AWS's defaults of those that a fleet counts towards and moto does not know: GetServiceQuota answers them; none is enforced.
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
    # https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html
    ("elasticloadbalancing", "L-53DA6B97"): ("Application Load Balancers per Region", 50.0),
    ("elasticloadbalancing", "L-B22855CB"): ("Target Groups per Region", 3000.0),
    ("autoscaling", "L-CDE20ADC"): ("Auto Scaling groups per region", 500.0),
    ("ec2", "L-FB451C26"): ("Launch templates", 5000.0),
}

# Other values, by quota code, such as {"L-1216C47A": 5}, and zones without capacity, such as {"ap-northeast-2a": 0}; read at each call.
FILE = Path(os.environ["LOCAL_CLOUD_DIR"], "quotas.json")


def changed() -> dict[str, float]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def applied(service: str, code: str) -> float:
    _, value = QUOTAS[service, code]
    return float(changed().get(code, value))


@replacing(ServiceQuotasBackend, "get_service_quota")
def get_service_quota(original, self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict:
    if (service_code, quota_code) not in QUOTAS:
        return original(self, service_code, quota_code)
    name, _ = QUOTAS[service_code, quota_code]
    quota = {"ServiceCode": service_code, "QuotaCode": quota_code, "QuotaName": name, "Value": applied(service_code, quota_code)}
    return {**quota, "Unit": "None", "Adjustable": True, "GlobalQuota": False}


def vcpus(instance_type: str) -> int:
    return INSTANCE_TYPES.get(instance_type, {}).get("VCpuInfo", {}).get("DefaultVCpus", 0)


@before(InstanceBackend, "run_instances")
def check_vcpus(self: InstanceBackend, count: int, kwargs: dict, **_: object) -> None:
    """Every instance counts: the program launches On-Demand instances of Standard families alone."""
    running = sum(vcpus(each.instance_type) for each in self.all_running_instances())
    limit = applied("ec2", VCPUS)
    if running + count * vcpus(kwargs["instance_type"]) > limit:
        raise EC2ClientError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit:.0f} allows for the instance bucket that the "
            "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to "
            "this limit.",
        )


@before(InstanceBackend, "run_instances")
def check_capacity(self: InstanceBackend, kwargs: dict, **_: object) -> None:
    subnet = kwargs.get("subnet_id") or next((nic["SubnetId"] for nic in kwargs.get("nics") or [] if "SubnetId" in nic), None)
    zone = subnet and self.get_subnet(subnet).availability_zone
    if changed().get(zone) == 0:
        what = f"{kwargs['instance_type']} capacity in the Availability Zone you requested ({zone})"
        refusal = RESTError("InsufficientInstanceCapacity", f"We currently do not have sufficient {what}.")
        refusal.code = 500  # https://github.com/hashicorp/terraform-provider-aws/pull/21293
        raise refusal


@before(VPCBackend, "create_vpc")
def check_vpcs(self: VPCBackend, **_: object) -> None:
    if len(self.vpcs) >= applied("vpc", VPCS):
        raise EC2ClientError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


@before(ElasticAddressBackend, "allocate_address")
def check_addresses(self: ElasticAddressBackend, **_: object) -> None:
    if len(self.addresses) >= applied("ec2", ADDRESSES):
        raise EC2ClientError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
