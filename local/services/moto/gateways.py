"""NAT gateways and VPC endpoints, where moto and AWS differ: they are made and removed with their network interfaces, addresses and routes, and
refused as on AWS."""

from time import monotonic

from methods import before, replacing
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, VPCEndPoint
from moto.ec2.responses.vpcs import VPCs
from network import fit_interfaces, gateway_of

# NAT gateways. https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
PATIENCE = 10  # seconds that one without an internet gateway is pending, before it has failed


@replacing(EC2Backend, "create_nat_gateway")
def create_nat(original, self: EC2Backend, subnet_id: str, allocation_id: str | None, tags=None, connectivity_type: str | None = None) -> NatGateway:
    self.get_subnet(subnet_id)
    connectivity_type = connectivity_type or "public"
    if connectivity_type == "public":
        if not allocation_id:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter AllocationId")
        if self.address_by_allocation([allocation_id])[0].association_id:
            raise EC2ClientError("Resource.AlreadyAssociated", f"Elastic IP address [{allocation_id}] is already associated")
    return original(self, subnet_id, allocation_id, tags, connectivity_type)


def nat_state(self: NatGateway) -> str:
    if self.settled == "pending":
        if gateway_of(self.ec2_backend, self.vpc_id):
            self.settled = "available"
        elif monotonic() > self.begin + PATIENCE:
            self.settled, self.failure_code = "failed", "Gateway.NotAttached"
            self.failure_message = f"Network {self.vpc_id} has no Internet gateway attached"
    return self.settled


def begin_nat(self: NatGateway, _: str) -> None:
    self.settled, self.begin = "pending", monotonic()


NatGateway.state = property(nat_state, begin_nat)
NatGateway.failure_code = NatGateway.failure_message = None


@replacing(EC2Backend, "delete_nat_gateway")
def delete_nat(_original, self: EC2Backend, nat_gateway_id: str) -> NatGateway:
    if nat_gateway_id not in self.nat_gateways:
        raise EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
    gateway = self.nat_gateways[nat_gateway_id]
    if gateway.settled != "deleted":
        for each in [each for each in self.addresses if each.eni is gateway._eni]:
            self.disassociate_address(association_id=each.association_id)
        self.delete_network_interface(gateway._eni.id)
    gateway.settled = "deleted"
    return gateway


@before(EC2Backend, "create_route")
@before(EC2Backend, "replace_route")
def check_route(self: EC2Backend, route_table_id: str, gateway_id: str | None = None, nat_gateway_id: str | None = None, **_: object) -> None:
    if nat_gateway_id and (nat_gateway_id not in self.nat_gateways or self.nat_gateways[nat_gateway_id].state == "deleted"):
        raise EC2ClientError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat_gateway_id}' does not exist")
    gateway = self.internet_gateways.get(gateway_id)
    if gateway and gateway is not gateway_of(self, self.get_route_table(route_table_id).vpc_id):
        message = f"route table {route_table_id} and network gateway {gateway_id} belong to different networks"
        raise EC2ClientError("InvalidParameterValue", message)


# VPC endpoints. https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
GATEWAYS = ("s3", "dynamodb")


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


@replacing(EC2Backend, "create_vpc_endpoint")
def create_endpoint(original, self: EC2Backend, vpc_id: str, service_name: str, endpoint_type: str | None, *args, **kwargs) -> VPCEndPoint:
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
    endpoint = original(self, vpc_id, service_name, endpoint_type, *args, **kwargs)
    if endpoint_type == "Interface":
        # Without groups, it gets the VPC's default one.
        endpoint.security_group_ids = endpoint.security_group_ids or [self.get_default_security_group(vpc_id).id]
        fit(self, endpoint)
    return endpoint


def fit(self: EC2Backend, endpoint: VPCEndPoint) -> None:
    """Gives an endpoint the interfaces, or the routes, that belong to it."""
    there = [self.enis[each] for each in endpoint.network_interface_ids]
    description = f"VPC Endpoint Interface {endpoint.id}"
    interfaces = fit_interfaces(self, there, endpoint.subnet_ids, endpoint.security_group_ids, description)
    endpoint.network_interface_ids = [each.id for each in interfaces]
    if prefix := endpoint.destination_prefix_list_id:
        for table in self.route_tables.values():
            routes = [each for each in table.routes if each.gateway is endpoint]
            if table.id in endpoint.route_table_ids and not routes:
                self.create_route(table.id, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix)
            elif routes and table.id not in endpoint.route_table_ids:
                self.delete_route(table.id, prefix)


@replacing(VPCs, "modify_vpc_endpoint")
def modify_endpoint(original, self: VPCs):
    endpoint = self.ec2_backend.describe_vpc_endpoints([self._get_param("VpcEndpointId")])[0]
    private = self._get_bool_param("PrivateDnsEnabled")
    if private and not endpoint.private_dns_enabled:
        check_private_dns(self.ec2_backend, endpoint.vpc_id, endpoint.service_name)
    result = original(self)
    if private is not None:
        endpoint.private_dns_enabled = private
    if self._get_bool_param("ResetPolicy"):
        endpoint.policy_document = VPCEndPoint(self.ec2_backend, "", "", "", None, None, []).policy_document
    fit(self.ec2_backend, endpoint)
    return result


@replacing(EC2Backend, "delete_vpc_endpoints")
def delete_endpoints(_original, self: EC2Backend, vpce_ids: list[str] | None = None) -> None:
    for each in [self.get_vpc_end_point(each) for each in vpce_ids or []]:
        each.subnet_ids, each.route_table_ids = [], []
        fit(self, each)
        self.vpc_end_points.pop(each.id)
