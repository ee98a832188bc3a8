"""moto's own server with four things changed: EC2's GetConsoleOutput answers what the machine really printed, an instance is seen only
when it is whole, ECR's calls for images are those of the registry, and IAM's policies hold for everyone but the account's root."""

import hashlib
import logging
import os
import sys
from base64 import b64encode
from fnmatch import fnmatchcase
from functools import wraps
from http.client import HTTPResponse
from pathlib import Path
from threading import Lock
from urllib.error import HTTPError
from urllib.request import Request, urlopen

# Read by moto when it is imported: AWS's managed policies can be attached, and policies hold from the first call on.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import _RESTError as RESTError
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import Base64EncodedString
from moto.ecr.exceptions import ImageAlreadyExistsException
from moto.ecr.models import Repository
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

# moto lists an instance first, and attaches its volumes and its profile after that; one that was followed in between had no role.
LAUNCH = Lock()


def one_at_a_time(action):
    @wraps(action)
    def locked(self: InstanceResponse) -> ActionResult:
        with LAUNCH:
            return action(self)

    return locked


for action in (InstanceResponse.run_instances, InstanceResponse.describe_instances):
    setattr(InstanceResponse, action.__name__, one_at_a_time(action))

# moto knows repositories; their images are in the registry.
MANIFESTS = [
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
]


def call_registry(method: str, repository: Repository, reference: str, **request) -> HTTPResponse | None:
    """None where there is no such image."""
    login = b64encode(f"AWS:{repository.registry_id}-auth-token".encode()).decode()
    url = f"https://{os.environ['LOCAL_CLOUD_REGISTRY']}/v2/{repository.name}/manifests/{reference}"
    try:
        headers = {"Authorization": f"Basic {login}", "Accept": ", ".join(MANIFESTS), **request.pop("headers", {})}
        return urlopen(Request(url, method=method, headers=headers, **request), timeout=30)
    except HTTPError as error:
        if error.code == 404:
            return None
        raise


def batch_images(self: ECRResponse, method: str, result: str, describe) -> ActionResult:
    """Does the same with each image of a request, as ECR's Batch calls do."""
    name = self._get_param("repositoryName")
    repository = self.ecr_backend._get_repository(name, self._get_param("registryId"))
    done, failures = [], []
    for image_id in self._get_param("imageIds"):
        answer = call_registry(method, repository, image_id.get("imageDigest") or image_id["imageTag"])
        if answer is None:
            failure = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
            failures.append({"imageId": image_id, **failure})
        else:
            done.append(describe(repository, image_id, answer))
    return ActionResult({result: done, "failures": failures})


def batch_get_image(self: ECRResponse) -> ActionResult:
    def describe(repository: Repository, image_id: dict, answer: HTTPResponse) -> dict:
        return {
            "registryId": repository.registry_id,
            "repositoryName": repository.name,
            "imageId": {**image_id, "imageDigest": answer.headers["Docker-Content-Digest"]},
            "imageManifest": answer.read().decode(),
            "imageManifestMediaType": answer.headers["Content-Type"],
        }

    return batch_images(self, "GET", "images", describe)


def batch_delete_image(self: ECRResponse) -> ActionResult:
    """Laxer than ECR, which deletes with its last tag the image too."""
    return batch_images(self, "DELETE", "imageIds", lambda _repository, image_id, _answer: image_id)


class ImageTagAlreadyExistsException(ImageAlreadyExistsException):
    code = "ImageTagAlreadyExistsException"


def put_image(self: ECRResponse) -> ActionResult:
    name, tag, manifest = (self._get_param(key) for key in ("repositoryName", "imageTag", "imageManifest"))
    repository = self.ecr_backend._get_repository(name, self._get_param("registryId"))
    digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    before = call_registry("HEAD", repository, tag)
    if before:
        same = before.headers["Docker-Content-Digest"] == digest
        excluded = any(fnmatchcase(tag, each["filter"]) for each in repository.image_tag_mutability_exclusion_filters or [])
        if same or repository.image_tag_mutability.startswith("IMMUTABLE") != excluded:
            refusal = ImageAlreadyExistsException if same else ImageTagAlreadyExistsException
            raise refusal(
                registry_id=repository.registry_id, image_tag=tag, digest=digest, repository_name=repository.name
            )
    headers = {"Content-Type": self._get_param("imageManifestMediaType")}
    call_registry("PUT", repository, tag, data=manifest.encode(), headers=headers)
    image_id = {"imageDigest": digest, "imageTag": tag}
    return ActionResult({"image": {"repositoryName": name, "imageId": image_id, "imageManifest": manifest}})


for action in (batch_get_image, batch_delete_image, put_image):
    setattr(ECRResponse, action.__name__, action)

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
