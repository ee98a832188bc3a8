"""ECR, where moto and AWS differ: its calls for images are those of the registry."""

import hashlib
import os
from base64 import b64encode
from fnmatch import fnmatchcase
from http.client import HTTPResponse
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from moto.core.responses import ActionResult
from moto.ecr.exceptions import ImageAlreadyExistsException
from moto.ecr.models import Repository
from moto.ecr.responses import ECRResponse

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


def ecr_resource(self: ECRResponse) -> str:
    """What a policy's Resource is compared with; without this, moto compares it with "*" and allows nothing on one repository."""
    if name := self._get_param("repositoryName"):
        return f"arn:aws:ecr:{self.region}:{self.current_account}:repository/{name}"
    return self._get_param("resourceArn") or "*"


ECRResponse._determine_resource = ecr_resource
