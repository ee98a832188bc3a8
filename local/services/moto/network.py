"""Networks, where moto and AWS differ: an address is in use once, what is in use cannot be deleted, and NAT gateways and VPC endpoints are made
and removed with their network interfaces."""

from collections.abc import Callable
from functools import wraps
from time import monotonic

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends, elastic_ip_addresses, elastic_network_interfaces, nat_gateways, vpcs
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, VPCEndPoint
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.vpcs import VPCs
from moto.ec2.utils import random_public_ip


def before(name: str, check: Callable) -> None:
    """Makes a check of a call before moto answers it."""
    call = getattr(EC2Backend, name)

    @wraps(call)
    def checked(self: EC2Backend, *args, **kwargs):
        check(self, *args, **kwargs)
        return call(self, *args, **kwargs)

    setattr(EC2Backend, name, checked)


# Addresses. Of one, the local cloud knows the last two octets alone (local/address.ts): they are given once, whatever VPC asks.


def local(address: str) -> str:
    return address.split(".", 2)[2]


def given() -> set[str]:
    regions = [region for regions in ec2_backends.values() for region in regions.values()]
    private = [each for region in regions for zone in region.subnets.values() for subnet in zone.values() for each in subnet._subnet_ips]
    public = [each.public_ip for region in regions for each in [*region.enis.values(), *region.addresses] if each.public_ip]
    return {"0.1", *map(local, private), *map(local, public)}  # 0.1: the local cloud's own services


take = Subnet.get_available_subnet_ip


def take_address(self: Subnet, instance: object) -> str:
    passed = []
    try:
        others = given()
        while local(address := take(self, instance)) in others:
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


Subnet.get_available_subnet_ip = take_address
elastic_network_interfaces.random_public_ip = elastic_ip_addresses.random_ip = public_address
# moto makes up addresses outside of the subnet for these.
nat_gateways.random_private_ip = vpcs.random_private_ip = lambda: None
create_network_interface = EC2Backend.create_network_interface
delete_network_interface = EC2Backend.delete_network_interface


def create_in_subnet(
    self: EC2Backend, subnet: Subnet | str, address=None, addresses=None, group_ids: list[str] | None = None, *args, **kwargs
) -> NetworkInterface:
    subnet = self.get_subnet(subnet) if isinstance(subnet, str) else subnet
    for each in group_ids or []:
        group = self.get_security_group_from_id(each)
        if not group:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{each}' does not exist")
        if group.vpc_id != subnet.vpc_id:
            raise EC2ClientError("InvalidParameter", f"Security group {each} and subnet {subnet.id} belong to different networks.")
    if not address and not addresses:
        address = subnet.get_available_subnet_ip(None)
    return create_network_interface(self, subnet, address, addresses, group_ids, *args, **kwargs)


def delete_with_address(self: EC2Backend, eni_id: str) -> None:
    interface = self.enis.get(eni_id)
    delete_network_interface(self, eni_id)
    interface.subnet.del_subnet_ip(interface.private_ip_address)


EC2Backend.create_network_interface = create_in_subnet
EC2Backend.delete_network_interface = delete_with_address

# An instance wears the groups of its interface. moto keeps two lists, and changes one of them.
modify_network_interface_attribute = EC2Backend.modify_network_interface_attribute


def modify_interface(self: EC2Backend, eni_id: str, *args, **kwargs) -> None:
    modify_network_interface_attribute(self, eni_id, *args, **kwargs)
    interface = self.get_network_interface(eni_id)
    if interface.instance:
        interface.instance.security_groups = interface._group_set


NetworkInterface.group_set = property(lambda self: (self.instance and self.instance.security_groups) or self._group_set)
EC2Backend.modify_network_interface_attribute = modify_interface

# What is in use. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html


def check_subnet(self: EC2Backend, subnet_id: str) -> None:
    if any(each.subnet.id == subnet_id for each in self.enis.values()):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")


def check_group(self: EC2Backend, name: str | None = None, group_id: str | None = None) -> None:
    others = [each for groups in self.groups.values() for each in groups.values() if each.id != group_id]
    named = [rule.source_group.get("GroupId") for each in others for rule in [*each.ingress_rules, *each.egress_rules]]
    worn = [group.id for each in self.enis.values() for group in each.group_set]
    if group_id in (*named, *worn):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")


def check_vpc(self: EC2Backend, vpc_id: str) -> None:
    gateways = [each for each in self.internet_gateways.values() if each.vpc and each.vpc.id == vpc_id]
    groups = [each for each in self.groups[vpc_id].values() if not each.is_default]
    endpoints = [each for each in self.vpc_end_points.values() if each.vpc_id == vpc_id]
    if gateways or groups or endpoints:
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


def check_gateway(self: EC2Backend, internet_gateway_id: str, vpc_id: str) -> None:
    # A load balancer's interfaces have public addresses on AWS.
    if any(each.vpc_id == vpc_id and (each.public_ip or each.description.startswith("ELB ")) for each in self.enis.values()):
        raise DependencyViolationError(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        )


def check_address(self: EC2Backend, address: str | None = None, allocation_id: str | None = None) -> None:
    for each in self.addresses:
        if each.association_id and (each.allocation_id == allocation_id or each.public_ip == address):
            raise EC2ClientError("InvalidIPAddress.InUse", f"The address with allocation id [{each.allocation_id}] is in use.")


before("delete_subnet", check_subnet)
before("delete_security_group", check_group)
before("delete_vpc", check_vpc)
before("detach_internet_gateway", check_gateway)
before("release_address", check_address)

# NAT gateways. https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
PATIENCE = 10  # seconds that one without an internet gateway is pending, before it has failed


def create_nat(self: EC2Backend, subnet_id: str, allocation_id: str | None, tags=None, connectivity_type: str | None = None) -> NatGateway:
    self.get_subnet(subnet_id)
    connectivity_type = connectivity_type or "public"
    if connectivity_type == "public":
        if not allocation_id:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter AllocationId")
        if self.address_by_allocation([allocation_id])[0].association_id:
            raise EC2ClientError("Resource.AlreadyAssociated", f"Elastic IP address [{allocation_id}] is already associated")
    return create_nat_gateway(self, subnet_id, allocation_id, tags, connectivity_type)


def nat_state(self: NatGateway) -> str:
    if self.settled == "pending":
        if any(each.vpc and each.vpc.id == self.vpc_id for each in self.ec2_backend.internet_gateways.values()):
            self.settled = "available"
        elif monotonic() > self.begin + PATIENCE:
            self.settled, self.failure_code = "failed", "Gateway.NotAttached"
            self.failure_message = f"Network {self.vpc_id} has no Internet gateway attached"
    return self.settled


def begin_nat(self: NatGateway, _: str) -> None:
    self.settled, self.begin = "pending", monotonic()


NatGateway.state = property(nat_state, begin_nat)
NatGateway.failure_code = NatGateway.failure_message = None
create_nat_gateway = EC2Backend.create_nat_gateway
describe_nat_gateways = NatGateways.describe_nat_gateways


def known_nat(self: EC2Backend, nat_gateway_id: str) -> NatGateway:
    if nat_gateway_id not in self.nat_gateways:
        raise EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
    return self.nat_gateways[nat_gateway_id]


def describe_known_nats(self: NatGateways):
    for each in self._get_param("NatGatewayIds", []):
        known_nat(self.ec2_backend, each)
    return describe_nat_gateways(self)


def delete_nat_gateway(self: EC2Backend, nat_gateway_id: str) -> NatGateway:
    gateway = known_nat(self, nat_gateway_id)
    if gateway.settled != "deleted":
        for each in [each for each in self.addresses if each.eni is gateway._eni]:
            self.disassociate_address(association_id=each.association_id)
        self.delete_network_interface(gateway._eni.id)
    gateway.settled = "deleted"
    return gateway


def check_route(self: EC2Backend, *args, nat_gateway_id: str | None = None, **kwargs) -> None:
    if nat_gateway_id and (nat_gateway_id not in self.nat_gateways or self.nat_gateways[nat_gateway_id].state == "deleted"):
        raise EC2ClientError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat_gateway_id}' does not exist")


before("create_route", check_route)
before("replace_route", check_route)
NatGateways.describe_nat_gateways = describe_known_nats
EC2Backend.create_nat_gateway = create_nat
EC2Backend.delete_nat_gateway = delete_nat_gateway

# VPC endpoints. https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
GATEWAYS = ("s3", "dynamodb")
create_vpc_endpoint, modify_vpc_endpoint = EC2Backend.create_vpc_endpoint, VPCs.modify_vpc_endpoint
delete_vpc_endpoints = EC2Backend.delete_vpc_endpoints


def invalid(message: str) -> EC2ClientError:
    return EC2ClientError("InvalidParameter", message)


def check_private_dns(self: EC2Backend, vpc_id: str, service_name: str) -> None:
    vpc = self.get_vpc(vpc_id)
    if vpc.enable_dns_hostnames is not True or vpc.enable_dns_support is not True:
        raise invalid(
            f"Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc_id}"
        )
    for each in self.vpc_end_points.values():
        if (each.vpc_id, each.service_name) == (vpc_id, service_name) and each.private_dns_enabled:
            raise invalid(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain "
                f"for {service_name} in the VPC {vpc_id}"
            )


def check_zones(self: EC2Backend, subnet_ids: list[str]) -> None:
    zones = [self.get_subnet(each).availability_zone for each in subnet_ids]
    for index, zone in enumerate(zones):
        if zone in zones[:index]:
            raise EC2ClientError(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {subnet_ids[index]}. VPC endpoint subnets should be in "
                "different availability zones supported by the VPC endpoint service.",
            )


def create_endpoint(self: EC2Backend, vpc_id: str, service_name: str, endpoint_type: str | None, *args, **kwargs) -> VPCEndPoint:
    endpoint_type = endpoint_type or "Gateway"
    service = service_name.removeprefix(f"com.amazonaws.{self.region_name}.")
    if service == service_name or service not in AWS_ENDPOINT_SERVICES:
        raise EC2ClientError("InvalidServiceName", f"The Vpc Endpoint Service '{service_name}' does not exist")
    types = ["Gateway", "Interface"] if service in GATEWAYS else ["Interface"]
    if endpoint_type not in types:
        raise invalid(f"Endpoint type ({endpoint_type}) does not match available service types ({types}).")
    subnet_ids, tables = kwargs.get("subnet_ids") or [], kwargs.get("route_table_ids") or []
    check_zones(self, subnet_ids)
    if endpoint_type == "Gateway":
        kwargs["private_dns_enabled"] = False
        for each in self.vpc_end_points.values():
            if each.service_name == service_name and (shared := set(each.route_table_ids) & set(tables)):
                raise EC2ClientError(
                    "RouteAlreadyExists",
                    f"route table {shared.pop()} already has a route with destination-prefix-list-id {each.destination_prefix_list_id}",
                )
    elif kwargs.get("private_dns_enabled"):
        check_private_dns(self, vpc_id, service_name)
    endpoint = create_vpc_endpoint(self, vpc_id, service_name, endpoint_type, *args, **kwargs)
    if endpoint_type == "Interface":
        # Without groups, it gets the VPC's default one.
        endpoint.security_group_ids = endpoint.security_group_ids or [self.get_default_security_group(vpc_id).id]
        fit(self, endpoint)
    return endpoint


def fit(self: EC2Backend, endpoint: VPCEndPoint) -> None:
    """Gives an endpoint the interfaces, or the routes, that belong to it."""
    groups = [self.get_security_group_from_id(each) for each in endpoint.security_group_ids]
    interfaces = {self.enis[each].subnet.id: self.enis[each] for each in endpoint.network_interface_ids}
    for subnet_id in [each for each in interfaces if each not in endpoint.subnet_ids]:
        self.delete_network_interface(interfaces.pop(subnet_id).id)
    for subnet_id in [each for each in endpoint.subnet_ids if each not in interfaces]:
        interfaces[subnet_id] = self.create_network_interface(subnet_id)
    endpoint.network_interface_ids = [each.id for each in interfaces.values()]
    for each in interfaces.values():
        each._group_set, each.description = groups, f"VPC Endpoint Interface {endpoint.id}"
    if prefix := endpoint.destination_prefix_list_id:
        for table in self.route_tables.values():
            routes = [each for each in table.routes if each.gateway is endpoint]
            if table.id in endpoint.route_table_ids and not routes:
                self.create_route(table.id, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix)
            elif routes and table.id not in endpoint.route_table_ids:
                self.delete_route(table.id, prefix)


def modify_endpoint(self: VPCs):
    endpoint = self.ec2_backend.describe_vpc_endpoints([self._get_param("VpcEndpointId")])[0]
    private = self._get_bool_param("PrivateDnsEnabled")
    if private and not endpoint.private_dns_enabled:
        check_private_dns(self.ec2_backend, endpoint.vpc_id, endpoint.service_name)
    result = modify_vpc_endpoint(self)
    if private is not None:
        endpoint.private_dns_enabled = private
    if self._get_bool_param("ResetPolicy"):
        endpoint.policy_document = VPCEndPoint(self.ec2_backend, "", "", "", None, None, []).policy_document
    fit(self.ec2_backend, endpoint)
    return result


def delete_endpoints(self: EC2Backend, vpce_ids: list[str] | None = None) -> None:
    for each in [self.get_vpc_end_point(each) for each in vpce_ids or []]:
        each.subnet_ids, each.route_table_ids = [], []
        fit(self, each)
        self.vpc_end_points.pop(each.id)


EC2Backend.create_vpc_endpoint = create_endpoint
VPCs.modify_vpc_endpoint = modify_endpoint
EC2Backend.delete_vpc_endpoints = delete_endpoints

# Rules whose source is a group. moto knows the description of the others alone, and changes no source group.
modify_security_group_rules = EC2Backend.modify_security_group_rules


def modify_rules(self: EC2Backend, group_id: str, rules: dict[str, dict]) -> None:
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
    modify_security_group_rules(self, group_id, rules)


SecurityGroupRule.description = property(lambda self: (self.ip_range or self.source_group).get("Description"))
EC2Backend.modify_security_group_rules = modify_rules
