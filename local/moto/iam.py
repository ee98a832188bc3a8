"""IAM, where moto and AWS differ: policies hold for everyone but the account's root."""

import os

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import _RESTError as RESTError

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


ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize_unless_root
