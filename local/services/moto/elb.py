"""Elastic Load Balancing, where moto and AWS differ: a load balancer has interfaces in its subnets, at the first of which it is reached; the
health of targets is what the proxy (../ec2/balancer.ts) reports; and more is refused."""

import json
from os import environ
from pathlib import Path

from iam import ACCOUNT, REGION
from marks import touches
from methods import before, replacing
from moto.acm.models import acm_backends
from moto.acm.responses import AWSCertificateManagerResponse
from moto.ec2.models.subnets import Subnet
from moto.elbv2 import models
from moto.elbv2.exceptions import DuplicateListenerError, ELBClientError, ValidationError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeLoadBalancer, FakeTargetGroup, elbv2_backends
from moto.elbv2.responses import ELBV2Response
from moto.elbv2.ssl_policies import SSL_POLICIES
from moto.moto_api._internal.urls import url_paths
from network import check_security_groups, fit_interfaces, gateway_of

touches(ELBV2Response)
touches(AWSCertificateManagerResponse)


# Load balancers.


def local_address(private_address: str) -> str:
    """The loopback address that stands for it: ../../address.ts."""
    return ".".join([environ["LOCAL_CLOUD_PREFIX"], *private_address.split(".")[2:]])


def fit(self: ELBv2Backend, balancer: FakeLoadBalancer, subnets: list[Subnet]) -> None:
    """AWS has an interface in each subnet, in the load balancer's security groups: what they are in cannot be deleted."""
    there, ids = getattr(balancer, "interfaces", []), [each.id for each in subnets]
    # The load balancer's name is an address here, and stays when its subnet goes.
    left = [each.private_ip_address for each in there if each.subnet.id not in ids]
    name = next((each for each in left if local_address(each) == balancer.dns_name), None)
    description = f"ELB {balancer.arn.partition('loadbalancer/')[2]}"
    balancer.interfaces = fit_interfaces(self.ec2_backend, there, ids, balancer.security_groups, description, name)


def check_network(self: ELBv2Backend, subnets: list[Subnet], groups: list[str]) -> None:
    """A load balancer is in one VPC, for ever."""
    for each in subnets:
        check_security_groups(self.ec2_backend, each, groups)


@replacing(ELBv2Backend, "create_load_balancer")
def create_with_interfaces(original, self: ELBv2Backend, name: str, security_groups: list[str], subnet_ids: list[str], *args, **kwargs):
    subnets = [self.ec2_backend.get_subnet(each) for each in subnet_ids]
    zones = {subnet.availability_zone for subnet in subnets}
    if len(zones) < 2:
        raise ValidationError("At least two subnets in two different Availability Zones must be specified")
    if len(zones) < len(subnets):
        raise ELBClientError("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
    kwargs["scheme"] = kwargs.get("scheme") or "internet-facing"
    if kwargs["scheme"] == "internet-facing" and not gateway_of(self.ec2_backend, subnets[0].vpc_id):
        # https://github.com/hashicorp/terraform-provider-aws/pull/4587
        raise ELBClientError("InvalidSubnet", f"VPC {subnets[0].vpc_id} has no internet gateway")
    check_network(self, subnets, security_groups)
    balancer = original(self, name, security_groups, subnet_ids, *args, **kwargs)
    fit(self, balancer, balancer.subnets)
    balancer.dns_name = local_address(balancer.interfaces[0].private_ip_address)
    return balancer


@before(ELBv2Backend, "delete_load_balancer")
def check_protection(self: ELBv2Backend, arn: str) -> None:
    balancer = self.load_balancers.get(arn)
    if balancer and balancer.attrs["deletion_protection.enabled"] == "true":
        raise ELBClientError("OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled")
    if balancer:
        fit(self, balancer, [])


@before(ELBv2Backend, "set_subnets")
def check_subnets(self: ELBv2Backend, arn: str, subnets: list[str], **_: object) -> None:
    if balancer := self.load_balancers.get(arn):
        check_network(self, [self.ec2_backend.get_subnet(each) for each in subnets], balancer.security_groups)


@before(ELBv2Backend, "set_security_groups")
def check_security_groups_of(self: ELBv2Backend, arn: str, sec_groups: list[str]) -> None:
    if balancer := self.load_balancers.get(arn):
        check_network(self, balancer.subnets, sec_groups)


@replacing(ELBv2Backend, "set_subnets")
@replacing(ELBv2Backend, "set_security_groups")
def set_with_interfaces(original, self: ELBv2Backend, arn: str, *args) -> object:
    result = original(self, arn, *args)
    fit(self, self.load_balancers[arn], self.load_balancers[arn].subnets)
    return result


# Listeners.


def check_groups(self: ELBv2Backend, balancer_arn: str, actions: list[dict] | None) -> None:
    # https://github.com/hashicorp/terraform-provider-aws/issues/22005
    listeners = [listener for each in self.load_balancers.values() if each.arn != balancer_arn for listener in each.listeners.values()]
    others = [action.data for listener in listeners for rule in listener.rules.values() for action in rule.actions]
    given, taken = ({arn for data in each for arn in self._get_target_group_arns_from(data)} for each in (actions or [], others))
    balancer = self.load_balancers.get(balancer_arn)
    for arn in sorted(given) if balancer else ():
        [group] = self.describe_target_groups(None, [arn], None)  # refuses one that is not there, which moto does for a new listener alone
        # https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1045
        if group.vpc_id != balancer.vpc_id:
            message = f"Target group '{arn}' is in a different VPC than load balancer '{balancer_arn}'"
            raise ELBClientError("InvalidConfigurationRequest", message)
    if both := ", ".join(sorted(given & taken)):
        raise ELBClientError("TargetGroupAssociationLimit", f"The following target groups cannot be associated with more than one load balancer: {both}")


KEPT = {"Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}", "Query": "#{query}"}


def check_redirects(protocol: str, port: int | str, actions: list[dict] | None) -> None:
    # https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/487
    own = {"Protocol": protocol, "Port": str(port)}
    for config in [each.get("RedirectConfig", {}) for each in actions or [] if each["Type"] == "redirect"]:
        if all(config.get(key, kept) in (kept, own.get(key)) for key, kept in KEPT.items()):
            raise ELBClientError("InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop.")


def check_listener(self: ELBv2Backend, protocol: str | None, certificate: str | None, ssl_policy: str | None) -> None:
    if protocol != "HTTPS":
        return
    if ssl_policy and ssl_policy not in SSL_POLICIES:
        raise ELBClientError("SSLPolicyNotFound", f"SSL policy '{ssl_policy}' not found")
    found = acm_backends[self.account_id][self.region_name]._certificates.get(certificate)
    if found is None:
        raise ELBClientError("CertificateNotFound", f"Certificate '{certificate}' not found")
    found.check()
    if found.status != "ISSUED":
        raise ELBClientError(
            "UnsupportedCertificate",
            f"The certificate '{certificate}' must have a fully-qualified domain name, a supported signature, and a supported key size.",
        )
    # For the proxy: the API gives the key to nobody.
    folder = Path(environ["LOCAL_CLOUD_DIR"], "certificates")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{certificate.rpartition('/')[2]}.pem").write_bytes(b"\n".join([found.cert, found.key, found.chain]))


@before(ELBv2Backend, "create_listener")
def check_new(self: ELBv2Backend, load_balancer_arn: str, protocol: str, port: str, ssl_policy: str, certificate: str, actions: list[dict], **_: object) -> None:
    check_listener(self, protocol, certificate, ssl_policy)
    check_redirects(protocol, port, actions)
    check_groups(self, load_balancer_arn, actions)
    balancer = self.load_balancers.get(load_balancer_arn)
    if balancer and any(str(each.port) == str(port) for each in balancer.listeners.values()):
        raise DuplicateListenerError()


@before(ELBv2Backend, "modify_listener")
def check_change(
    self: ELBv2Backend, arn: str, port=None, protocol=None, ssl_policy=None, certificates=None, actions=None, **_: object
) -> None:
    [listener] = self.describe_listeners(None, [arn])
    [certificate] = [each["CertificateArn"] for each in certificates or []][:1] or [listener.certificate]
    check_listener(self, protocol or listener.protocol, certificate, ssl_policy)
    check_redirects(protocol or listener.protocol, port or listener.port, actions)
    check_groups(self, listener.load_balancer_arn, actions)


# moto leaves out the end of the range of deregistration delays, 3600 s, which AWS takes.
models.range = lambda first, last: range(first, last + 1)


# Targets: their health is reported, and what is deregistered drains until the proxy reports that it has.

INITIAL = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
UNUSED = ("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")


@replacing(FakeTargetGroup, "__init__")
def init(original, self: FakeTargetGroup, *args, **kwargs) -> None:
    original(self, *args, **kwargs)
    self.reported = {}


@before(FakeTargetGroup, "register")
def forget_earlier(self: FakeTargetGroup, targets: list[dict]) -> None:
    for id in [each["Id"] for each in targets]:
        if id not in self.targets or self.reported.get(id) is DRAINING:
            self.reported.pop(id, None)


@replacing(FakeTargetGroup, "deregister")
def deregister(_original, self: FakeTargetGroup, targets: list[dict]) -> None:
    self.deregister_terminated_instances([target["Id"] for target in targets])


@replacing(FakeTargetGroup, "deregister_terminated_instances")
def drain(_original, self: FakeTargetGroup, instance_ids: list[str]) -> None:
    self.reported |= {id: DRAINING for id in instance_ids if id in self.targets}


@replacing(FakeTargetGroup, "health_for")
def health_for(_original, self: FakeTargetGroup, target: dict, ec2_backend) -> FakeHealthStatus:
    status = self.reported.get(target["Id"], INITIAL)
    if status is not DRAINING and not elbv2_backends[self.account_id][self.region_name]._any_listener_using(self.arn):
        status = UNUSED
    return FakeHealthStatus(target["Id"], target.get("Port", self.port), self.health_check_port, *status)


@before(ELBv2Backend, "describe_target_health")
def end_draining(self: ELBv2Backend, target_group_arn: str, **_: object) -> None:
    group = self.target_groups.get(target_group_arn)
    if group and not self._any_listener_using(target_group_arn):  # nothing reaches it any more
        group.targets = {id: target for id, target in group.targets.items() if group.reported.get(id) is not DRAINING}


def report(request, _url: str, _headers: dict) -> tuple[int, dict, str]:
    """`{ARN: {id: [state, reason, description]}}`, with null for a target that has drained."""
    for arn, targets in json.loads(request.data).items():
        group = elbv2_backends[ACCOUNT][REGION].target_groups.get(arn)
        for id, status in targets.items() if group else ():
            is_draining = group.reported.get(id) is DRAINING
            if status is None and is_draining:
                group.targets.pop(id, None)
            elif status is not None and not is_draining:
                group.reported[id] = status
    return 200, {}, ""


url_paths["{0}/moto-api/targets$"] = report
