"""moto's own server with two things changed: EC2's GetConsoleOutput answers what the machine really printed, and IAM's
policies hold for everyone but the account's root."""

import logging
import os
import sys
from pathlib import Path

# Read by moto when it is imported: AWS's managed policies can be attached, and policies hold from the first call on.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import _RESTError as RESTError
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses.general import General
from moto.ec2.utils import Base64EncodedString
from moto.ecr.responses import ECRResponse
from moto.server import main

CONSOLE = Path(os.environ["LOCAL_CLOUD_DIR"], "console")
EC2_LIMIT = 64 * 1024  # EC2 keeps the most recent 64 KB


def get_console_output(self: General) -> ActionResult:
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))  # refuses an unknown id as EC2 does
    log = CONSOLE / f"{instance.id}.log"
    output = log.read_bytes()[-EC2_LIMIT:].decode(errors="replace") if log.exists() else ""
    return ActionResult(
        {"InstanceId": instance.id, "Timestamp": utcnow(), "Output": Base64EncodedString.from_raw_string(output)}
    )


General.get_console_output = get_console_output

# The cloud's own keys are the account's root, whom no policy limits: whoever deploys. A machine has its role's keys.
ROOT = f"Credential={os.environ['AWS_ACCESS_KEY_ID']}/"
authorize = ActionAuthenticatorMixin._authenticate_and_authorize_action


def authorize_unless_root(self, iam_request: type, resource: str = "*") -> None:
    if ROOT in self.headers.get("Authorization", ""):
        return
    try:
        authorize(self, iam_request, resource)
    except RESTError as refusal:
        # moto refuses in XML whatever the protocol, and the SDKs cannot read that where it is JSON.
        raise refusal.to_json() if "X-Amz-Target" in self.headers else refusal


def ecr_resource(self: ECRResponse) -> str:
    """What a policy's Resource is compared with; without this, moto compares it with "*" and allows nothing on one repository."""
    if name := self._get_param("repositoryName"):
        return f"arn:aws:ecr:{self.region}:{self.current_account}:repository/{name}"
    return self._get_param("resourceArn") or "*"


ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize_unless_root
ECRResponse._determine_resource = ecr_resource
# A line per request would bury the rest: the agent alone makes several a second.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

main(["--host", sys.argv[1], "--port", sys.argv[2]])
