"""Networks, where moto and AWS differ: an address is in use once, an interface has groups of its network, what is in use cannot be deleted, and
rules have groups as sources."""

from methods import before, replacing
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends, elastic_ip_addresses, elastic_network_interfaces, nat_gateways, vpcs
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule
from moto.ec2.models.subnets import Subnet
from moto.ec2.utils import random_public_ip
from moto.iam.models import iam_backends


# Addresses. Of one, the local cloud knows the last two octets alone (local/address.ts): they are given once, whatever VPC asks.


def local(address: str) -> str:
    return address.split(".", 2)[2]


def given() -> set[str]:
    regions = [region for regions in ec2_backends.values() for region in regions.values()]
    subnets = [each for region in regions for zone in region.subnets.values() for subnet in zone.values() for each in subnet._subnet_ips]
    private = [*subnets, *(each.private_ip_address for region in regions for each in region.enis.values())]
    public = [each.public_ip for region in regions for each in [*region.enis.values(), *region.addresses] if each.public_ip]
    return {"0.1", *map(local, private), *map(local, public)}  # 0.1: the local cloud's own services


@replacing(Subnet, "get_available_subnet_ip")
def take_address(original, self: Subnet, instance: object) -> str:
    passed = []
    try:
        others = given()
        while local(address := original(self, instance)) in others:
            passed.append(address)
    except StopIteration:
        raise EC2ClientError("InsufficientFreeAddressesInSubnet", f"There are not enough free addresses in subnet '{self.id}'.") from None
    finally:
        for each in passed:
            self.del_subnet_ip(each)
    return address


def public_address() -> str:
    while local(address := random_public_ip()) in given():
        pass
    return address


elastic_network_interfaces.random_public_ip = elastic_ip_addresses.random_ip = public_address
# moto makes up addresses outside of the subnet for these.
nat_gateways.random_private_ip = vpcs.random_private_ip = lambda: None


def check_security_groups(self: EC2Backend, subnet: Subnet, group_ids: list[str]) -> None:
    for each in group_ids:
        group = self.get_security_group_from_id(each)
        if not group:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{each}' does not exist")
        if group.vpc_id != subnet.vpc_id:
            raise EC2ClientError("InvalidParameter", f"Security group {each} and subnet {subnet.id} belong to different networks.")


@replacing(EC2Backend, "create_network_interface")
def create_in_subnet(
    original, self: EC2Backend, subnet: Subnet | str, address=None, addresses=None, group_ids: list[str] | None = None, *args, **kwargs
) -> NetworkInterface:
    subnet = self.get_subnet(subnet) if isinstance(subnet, str) else subnet
    check_security_groups(self, subnet, group_ids or [])
    if not address and not addresses:
        address = subnet.get_available_subnet_ip(None)
    return original(self, subnet, address, addresses, group_ids, *args, **kwargs)


@replacing(EC2Backend, "delete_network_interface")
def delete_with_address(original, self: EC2Backend, eni_id: str) -> None:
    interface = self.enis.get(eni_id)
    original(self, eni_id)
    interface.subnet.del_subnet_ip(interface.private_ip_address)


def fit_interfaces(
    backend: EC2Backend, interfaces: list[NetworkInterface], subnets: list[str], groups: list[str], description: str, address: str | None = None
) -> list[NetworkInterface]:
    """One interface in each subnet, as load balancers and endpoints have them: those stay whose subnets do. The first new one gets the address."""
    there = {each.subnet.id: each for each in interfaces}
    for left in there.keys() - set(subnets):
        backend.delete_network_interface(there.pop(left).id)
    for subnet in [each for each in subnets if each not in there]:
        there[subnet] = backend.create_network_interface(subnet, address)
        address = None
    for each in there.values():
        each._group_set, each.description = [backend.get_security_group_from_id(group) for group in groups], description
    return list(there.values())


# An instance's interface has the instance's groups: moto keeps two lists, and adds one to the other.
NetworkInterface.group_set = property(lambda self: (self.instance and self.instance.security_groups) or self._group_set)

# Of these a VPC or a subnet has one: a second one, as under another name in the program, is refused.


@before(EC2Backend, "attach_internet_gateway")
def check_attachment(self: EC2Backend, internet_gateway_id: str, vpc_id: str) -> None:
    if gateway_of(self, vpc_id):
        raise EC2ClientError("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")


def gateway_of(self: EC2Backend, vpc_id: str) -> object:
    return next((each for each in self.internet_gateways.values() if each.vpc and each.vpc.id == vpc_id), None)


@before(EC2Backend, "associate_route_table")
def check_table(self: EC2Backend, route_table_id: str, subnet_id: str | None = None, **_: object) -> None:
    if subnet_id and any(subnet_id in each._associations.values() for each in self.route_tables.values() if each.id != route_table_id):
        conflict = f"the specified association for route table {route_table_id} conflicts with an existing association"
        raise EC2ClientError("Resource.AlreadyAssociated", conflict)


@before(EC2Backend, "create_flow_logs")
def check_flow_log(self: EC2Backend, resource_type: str | None, deliver_logs_permission_arn: str | None = None, **_: object) -> None:
    if not resource_type:
        raise EC2ClientError("MissingParameter", "The request must contain the parameter ResourceType")
    roles = iam_backends[self.account_id]["aws"].roles.values()
    trusting = [each.arn for each in roles if '"vpc-flow-logs.amazonaws.com"' in each.assume_role_policy_document]
    if deliver_logs_permission_arn and deliver_logs_permission_arn not in trusting:
        raise EC2ClientError("InvalidParameter", "Unable to assume given IAM role")


# What is in use. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html


@before(EC2Backend, "delete_subnet")
def check_subnet(self: EC2Backend, subnet_id: str) -> None:
    if any(each.subnet.id == subnet_id for each in self.enis.values()):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")


@before(EC2Backend, "delete_security_group")
def check_group(self: EC2Backend, name: str | None = None, group_id: str | None = None) -> None:
    others = [each for groups in self.groups.values() for each in groups.values() if each.id != group_id]
    named = [rule.source_group.get("GroupId") for each in others for rule in [*each.ingress_rules, *each.egress_rules]]
    worn = [group.id for each in self.enis.values() for group in each.group_set]
    if group_id in (*named, *worn):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")


@before(EC2Backend, "delete_vpc")
def check_vpc(self: EC2Backend, vpc_id: str) -> None:
    groups = [each for each in self.groups[vpc_id].values() if not each.is_default]
    endpoints = [each for each in self.vpc_end_points.values() if each.vpc_id == vpc_id]
    if gateway_of(self, vpc_id) or groups or endpoints:
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


@before(EC2Backend, "detach_internet_gateway")
def check_gateway(self: EC2Backend, internet_gateway_id: str, vpc_id: str) -> None:
    # A load balancer's interfaces have public addresses on AWS.
    if any(each.vpc_id == vpc_id and (each.public_ip or each.description.startswith("ELB ")) for each in self.enis.values()):
        raise DependencyViolationError(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        )


@before(EC2Backend, "release_address")
def check_address(self: EC2Backend, address: str | None = None, allocation_id: str | None = None) -> None:
    for each in self.addresses:
        if each.association_id and (each.allocation_id == allocation_id or each.public_ip == address):
            raise EC2ClientError("InvalidIPAddress.InUse", f"The address with allocation id [{each.allocation_id}] is in use.")


# Rules whose source is a group. moto knows the description of the others alone, and changes no source group.


@replacing(EC2Backend, "modify_security_group_rules")
def modify_rules(original, self: EC2Backend, group_id: str, rules: dict[str, dict]) -> None:
    for rule_id, new in rules.items():
        rule = self.get_security_group_from_id(group_id).get_rule(rule_id)
        if rule and bool(rule.source_group) != ("ReferencedGroupId" in new):
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Invalid rule type for security group rule '{rule_id}'. You may not change what kind of source an existing rule has.",
            )
        if rule and rule.source_group:
            source = {"GroupId": new["ReferencedGroupId"], "Description": new.get("Description")}
            rule.source_group = self._add_source_group([source], None)[0]
    original(self, group_id, rules)


@replacing(EC2Backend, "create_security_group")
def with_own_rule(original, self: EC2Backend, *args, **kwargs) -> SecurityGroup:
    """AWS lets the members of a VPC's default group reach each other."""
    group = original(self, *args, **kwargs)
    if group.is_default:
        own = [{"GroupId": group.id}]
        self.authorize_security_group_ingress(group.id, "-1", None, None, [], source_groups=own, vpc_id=group.vpc_id)
    return group


SecurityGroupRule.description = property(lambda self: (self.ip_range or self.source_group).get("Description"))


def same(self: SecurityGroupRule, other: SecurityGroupRule) -> bool:
    """A description is no part of what a rule is, also where its source is a group: https://github.com/londonaicentre/FLIP/pull/886"""
    own, others = ((each.ip_protocol, each.from_port, each.to_port, peer_of(each)) for each in (self, other))
    return own == others


def peer_of(rule: SecurityGroupRule) -> str | None:
    return rule.source_group.get("GroupId") or rule.prefix_list_id or rule.cidr_ipv4 or rule.cidr_ipv6


SecurityGroupRule.__eq__ = same
