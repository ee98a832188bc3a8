"""IAM, where moto and AWS differ: policies with their resources and conditions, and boundaries, hold for everyone but the account's root."""

import json
import os
from pathlib import Path
from threading import Lock

from authorizer import ask
from methods import before, replacing
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import _RESTError as RESTError
from moto.core.responses import BaseResponse
from moto.iam.access_control import (
    AssumedRoleAccessKey,
    IAMPolicy,
    IAMRequest,
    IAMUserAccessKey,
    create_access_key,
)
from moto.iam.exceptions import NoSuchEntity, NotFoundException
from moto.iam.models import IAMBackend, iam_backends
from moto.sts.models import sts_backends
from request import Call, by_name, call_of, checks_of

# The account's root, which no policy limits: the local cloud itself. Deployments are a user's, and a machine has its role's keys.
ROOT = os.environ["AWS_ACCESS_KEY_ID"]
REGION = os.environ["AWS_REGION"]

# Every call but root's: a line for each action and resource that it needed, with the condition keys that decided.
CALLS = Path(os.environ["LOCAL_CLOUD_DIR"], "calls.jsonl")
LOCK = Lock()

Identity = IAMUserAccessKey | AssumedRoleAccessKey


class Denied(Exception):
    """In AWS's words."""


def require(access_key_id: str, action: str, **params: str) -> None:
    """
    Checks a call that moto itself does not get, by the owner of this access key, such as
    `require(key, "ecr:BatchGetImage", repositoryName="app")`. It is recorded as moto's own calls are.

    :raises Denied: where it is not allowed.
    :raises CreateAccessKeyFailure: where there is no such key any more.
    """
    if access_key_id != ROOT:
        decide(identity_of(access_key_id), Call(*action.split(":"), params, ACCOUNT, REGION))


def identity_of(access_key_id: str) -> Identity:
    sessions = sts_backends[ACCOUNT]["aws"].assumed_roles
    headers = {"X-Amz-Security-Token": each.session_token for each in sessions if each.access_key_id == access_key_id}
    return create_access_key(ACCOUNT, "aws", access_key_id, headers)


def decide(identity: Identity, call: Call) -> None:
    """
    :raises Denied: where one of the things that the call needs is not allowed.
    """
    checks = checks_of(call)
    for check in checks:
        check["context"].update(
            {
                "aws:PrincipalArn": identity.arn,
                "aws:PrincipalAccount": ACCOUNT,
                "aws:PrincipalIsAWSService": "false",
                "aws:SecureTransport": "true",
            }
        )
    verdicts = ask(
        {
            "principal": identity.arn,
            "account": ACCOUNT,
            "policies": [
                {"name": str(index), "policy": IAMPolicy(policy)._policy_json}
                for index, policy in enumerate(policies_of(identity))
            ],
            "boundary": boundary_of(identity),
            "checks": checks,
        }
    )
    with LOCK, CALLS.open("a") as file:
        for check, verdict in zip(checks, verdicts):
            print(json.dumps({"identity": identity.arn, **check, **verdict}), file=file)
    for check, verdict in zip(checks, verdicts):
        if not verdict["allowed"]:
            action, resource = check["action"], check["resource"]
            raise Denied(
                f"User: {identity.arn} is not authorized to perform: {action} on resource: {resource} {verdict['because']}"
            )


def policies_of(identity: Identity) -> list:
    try:
        return identity.collect_policies()
    except NotFoundException:
        return []  # the session outlives its role


def boundary_of(identity: Identity) -> dict | None:
    role = by_name(BACKEND.roles).get(getattr(identity, "_owner_role_name", None))
    arn = role and role.permissions_boundary_arn
    return {"name": arn, "policy": IAMPolicy(BACKEND.get_policy(arn))._policy_json} if arn else None


class Request(IAMRequest):
    """moto's, which checks the signature; what is allowed is decided here."""

    def check_action_permitted(self, response: BaseResponse) -> None:
        # Allowed to everyone, even where a policy denies it.
        if self._action == "sts:GetCallerIdentity":
            return
        try:
            decide(self._access_key, call_of(response, self._service))
        except Denied as denied:
            refusal = (
                RESTError("UnauthorizedOperation", f"You are not authorized to perform this operation. {denied}")
                if self._service == "ec2"
                else RESTError("AccessDenied", str(denied))
            )
            refusal.code = 403
            raise refusal from None


@replacing(ActionAuthenticatorMixin, "_authenticate_and_authorize_action")
def authorize_unless_root(original, self, _request: type, _resource: str = "*") -> None:
    if f"Credential={ROOT}/" in self.headers.get("Authorization", ""):
        return
    try:
        original(self, Request, self)
    except RESTError as refusal:
        # moto refuses in XML whatever the protocol, and the SDKs cannot read that where it is JSON.
        if "X-Amz-Target" not in self.headers:
            raise
        refusal.error_type = refusal.error_type.replace("AccessDenied", "AccessDeniedException")
        raise refusal.to_json() from None


# The account's users and policies; moto keeps nothing when it ends.
BACKEND = iam_backends[ACCOUNT]["aws"]
given = json.loads(os.environ["LOCAL_CLOUD_USERS"])
policies = {name: BACKEND.create_policy("", "/", json.dumps(document), name, []) for name, document in given["policies"].items()}
for name, user in given["users"].items():
    BACKEND.create_user(REGION, name)
    for policy in user["policies"]:
        BACKEND.attach_user_policy(policies[policy].arn, name)
    key = BACKEND.create_access_key(name)
    del BACKEND.access_keys[key.access_key_id]
    key.access_key_id, key.secret_access_key = user["key"].values()
    BACKEND.access_keys[key.access_key_id] = key


@before(IAMBackend, "create_role")
@before(IAMBackend, "put_role_permissions_boundary")
def check_boundary(self: IAMBackend, permissions_boundary: str | None, **_: object) -> None:
    """moto takes the ARN of a boundary that is not there."""
    if permissions_boundary and permissions_boundary not in self.managed_policies:
        raise NoSuchEntity(f"Scope ARN: {permissions_boundary} does not exist or is not attachable.")
