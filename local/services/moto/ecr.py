"""ECR, where moto and AWS differ: images are the registry's, and the registry asks here what each of its requests may do."""

import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
from base64 import b64decode, b64encode
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from itertools import cycle
from pathlib import Path
from threading import Lock
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from iam import ACCOUNT, REGION, Denied, require
from methods import replacing
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecr.exceptions import ImageAlreadyExistsException, RepositoryNotFoundException
from moto.ecr.models import ECRBackend, Image, Repository, ecr_backends
from moto.ecr.responses import ECRResponse
from moto.iam.access_control import CreateAccessKeyFailure
from moto.moto_api._internal.urls import url_paths

REGISTRY = os.environ["LOCAL_CLOUD_REGISTRY"]
FOLDER = Path(os.environ["LOCAL_CLOUD_DIR"])
# As distribution lays it out: https://pkg.go.dev/github.com/distribution/distribution/v3/registry/storage
STORE = FOLDER / "registry" / "data" / "docker" / "registry" / "v2"

LOCK = Lock()

# AWS does not say in which order an image's tags are listed. Here it is another one each time.
ORDER = cycle((1, -1))

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"


# The registry's content is read from its disk, since its API lists no untagged images, and changed through its API.


def folder_of(repository: Repository) -> Path:
    return STORE / "repositories" / repository.name


def path_of(digest: str) -> Path:
    _, code = digest.split(":")
    return STORE / "blobs" / "sha256" / code[:2] / code / "data"


def images_of(repository: Repository) -> list[Image]:
    """moto's answers are made of these."""
    manifests = folder_of(repository) / "_manifests"
    tags = defaultdict(list)
    for link in sorted(manifests.glob("tags/*/current/link")):
        tags[link.read_text()].append(link.parent.parent.name)
    images = []
    for link in sorted(manifests.glob("revisions/sha256/*/link"), key=lambda link: link.stat().st_mtime):
        digest = f"sha256:{link.parent.name}"
        if path_of(digest).exists():
            image = Image(repository.account_id, None, None, repository.name, digest=digest)
            image.image_tags, image.image_pushed_at = tags[digest][:: next(ORDER)], link.stat().st_mtime
            images.append(image)
    return images


def content_of(image: Image) -> dict:
    """Its media type may be left out of an OCI manifest."""
    manifest = json.loads(image.image_manifest)
    return {"mediaType": OCI_INDEX if "manifests" in manifest else OCI_IMAGE, **manifest}


Repository.images = property(images_of, lambda self, _: None)
# Read when it is asked for: one that a full disk has damaged must not hide the others.
Image.image_manifest = property(lambda self: path_of(self.image_digest).read_bytes().decode(), lambda self, _: None)
Image.image_manifest_media_type = property(lambda self: content_of(self)["mediaType"], lambda self, _: None)
Image.get_image_size_in_bytes = lambda self: sum(layer["size"] for layer in content_of(self).get("layers", []))


def find(images: list[Image], image_id: dict) -> Image | None:
    """The image that has this digest and this tag, or the one of the two that is given."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    return next((each for each in images if digest in (None, each.image_digest) and (tag is None or tag in each.image_tags)), None)


def call_registry(method: str, repository: Repository, reference: str, **request) -> None:
    url = f"https://{REGISTRY}/v2/{repository.name}/manifests/{reference}"
    headers = {"Authorization": f"Basic {authorization(None)}", **request.pop("headers", {})}
    # A proxy does not reach this host's loopback.
    build_opener(ProxyHandler({})).open(Request(url, method=method, headers=headers, **request), timeout=30).close()


# Authorization.


def authorization(access_key_id: str | None) -> str:
    """A user name and a token for 12 hours, as HTTP's basic authorization takes them. Without an access key they are this API's own."""
    until = datetime.now(timezone.utc) + timedelta(hours=12)
    payload = b64encode(json.dumps({"accessKeyId": access_key_id, "expiration": until.timestamp()}).encode())
    return b64encode(b"AWS:" + payload + b"." + signature(payload)).decode()


def signature(payload: bytes) -> bytes:
    # On disk, so that a token outlives this process, as it does on AWS.
    key = FOLDER / "token-key"
    with LOCK:
        if not key.exists():
            key.write_bytes(secrets.token_bytes(32))
        return b64encode(hmac.digest(key.read_bytes(), payload, "sha256"))


class Refusal(Exception):
    """An error that is sent instead of the registry's answer."""

    def __init__(self, status: int, code: str, message: str):
        self.answer = status, {"Content-Type": "application/json"}, json.dumps({"errors": [{"code": code, "message": message}]})


INVALID = Refusal(400, "DENIED", "Your Authorization Token is invalid.")


def access_key_of(basic: str) -> str | None:
    """
    :raises Refusal: in ECR's words, which Docker prints after the code: "denied: Your authorization token has expired. …".
    """
    try:
        user, payload, sent = re.fullmatch(rb"(AWS):([^.]+)\.(.+)", b64decode(basic.removeprefix("Basic "))).groups()
        if not hmac.compare_digest(sent, signature(payload)):
            raise ValueError
        token = json.loads(b64decode(payload))
    except (AttributeError, ValueError):
        raise INVALID from None
    if token["expiration"] < datetime.now(timezone.utc).timestamp():
        raise Refusal(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
    return token["accessKeyId"]


# The actions that each of the registry's requests needs. One that ends an upload may bring a part of the layer, or all of it.
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImageReferrers.html
ACTIONS = {
    "manifests": {"GET": "BatchGetImage", "HEAD": "BatchGetImage", "PUT": "PutImage", "DELETE": "BatchDeleteImage"},
    "blobs/uploads": {
        "POST": "InitiateLayerUpload",
        "GET": "UploadLayerPart",
        "PATCH": "UploadLayerPart",
        "PUT": "UploadLayerPart CompleteLayerUpload",
    },
    "blobs": {"GET": "GetDownloadUrlForLayer", "HEAD": "BatchCheckLayerAvailability"},
    "tags": {"GET": "ListImages"},
    "referrers": {"GET": "BatchGetImage"},
}
PATH = re.compile(rf"/v2/(?P<name>.+)/(?P<kind>{'|'.join(ACTIONS)})/(?P<reference>[^/]*)$")


def decide(request, _url: str, _headers: dict) -> tuple[int, dict, str]:
    """Answers a request to the registry; status 204 passes it on."""
    sent = request.headers.get("Authorization")
    if not sent:
        return 401, {"Www-Authenticate": f'Basic realm="https://{REGISTRY}/",service="ecr.amazonaws.com"'}, "Not Authorized\n"
    try:
        access_key = access_key_of(sent)
        path = request.path.removeprefix("/moto-api/registry")
        if path != "/v2/":
            match = PATH.match(path)
            if not match or request.method not in ACTIONS[match["kind"]]:
                raise Refusal(405, "UNSUPPORTED", "The operation is unsupported.")
            for action in ACTIONS[match["kind"]][request.method].split() if access_key else ():
                require(access_key, f"ecr:{action}", repositoryName=match["name"])
            repository = ecr_backends[ACCOUNT][REGION]._get_repository(match["name"])
            if match["kind"] == "referrers":
                return referrers(repository, match["reference"], request.args.get("artifactType"))
            if match["kind"] == "manifests":
                check_manifest(repository, request.method, match["reference"], request.headers.get("Docker-Content-Digest"))
    except Denied as denied:
        return Refusal(403, "DENIED", str(denied)).answer
    except CreateAccessKeyFailure:
        return INVALID.answer
    except RepositoryNotFoundException as absent:
        return Refusal(404, "NAME_UNKNOWN", absent.message).answer
    except Refusal as refusal:
        return refusal.answer
    return 204, {}, ""


url_paths["{0}/moto-api/registry/(?P<path>.*)$"] = decide


def check_manifest(repository: Repository, method: str, reference: str, digest: str | None) -> None:
    is_tag = ":" not in reference
    found = find(repository.images, {"imageTag" if is_tag else "imageDigest": reference})
    if method != "PUT" and found is None:
        raise Refusal(404, "MANIFEST_UNKNOWN", "Requested image not found")
    excluded = any(fnmatchcase(reference, each["filter"]) for each in repository.image_tag_mutability_exclusion_filters or [])
    immutable = is_tag and repository.image_tag_mutability.startswith("IMMUTABLE") != excluded
    if method == "PUT" and immutable and found and found.image_digest != digest:
        where = f"already exists in the '{repository.name}' repository"
        raise Refusal(400, "TAG_INVALID", f"The image tag '{reference}' {where} and cannot be overwritten because the tag is immutable.")


def referrers(repository: Repository, subject: str, artifact_type: str | None) -> tuple[int, dict, str]:
    """https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers, which distribution does not have"""
    found = []
    for image in repository.images:
        manifest = content_of(image)
        kind = manifest.get("artifactType") or manifest.get("config", {}).get("mediaType")
        if manifest.get("subject", {}).get("digest") == subject and artifact_type in (None, kind):
            size = len(image.image_manifest.encode())
            entry = {"mediaType": manifest["mediaType"], "digest": image.image_digest, "size": size, "artifactType": kind}
            found.append({**entry, "annotations": manifest.get("annotations", {})})
    return 200, {"Content-Type": OCI_INDEX}, json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found})


# ECR's calls.


def get_authorization_token(self: ECRResponse) -> ActionResult:
    access_key = re.search("Credential=([^/]+)/", self.headers["Authorization"])[1]
    data = {
        "authorizationToken": authorization(access_key),
        "expiresAt": datetime.now(timezone.utc) + timedelta(hours=12),
        "proxyEndpoint": f"https://{REGISTRY}",
    }
    return ActionResult({"authorizationData": [data]})


def repository_of(self: ECRResponse) -> Repository:
    return self.ecr_backend._get_repository(self._get_param("repositoryName"), self._get_param("registryId"))


def batch_get_image(self: ECRResponse) -> ActionResult:
    repository, found, failures = repository_of(self), [], []
    for image_id in self._get_param("imageIds"):
        if image := find(repository.images, image_id):
            image.image_tag = image_id.get("imageTag")
            found.append(image)
        else:
            failures.append(failure(image_id, "ImageNotFound", "Requested image not found"))
    return ActionResult({"images": found, "failures": failures})


def failure(image_id: dict, code: str, reason: str) -> dict:
    return {"imageId": image_id, "failureCode": code, "failureReason": reason}


def batch_delete_image(self: ECRResponse) -> ActionResult:
    repository, deleted, failures = repository_of(self), [], []
    for image_id in self._get_param("imageIds"):
        images = repository.images
        image = find(images, image_id)
        if image is None:
            failures.append(failure(image_id, "ImageNotFound", "Requested image not found"))
            continue
        digest, tag = image.image_digest, image_id.get("imageTag")
        if tag and image.image_tags != [tag]:
            call_registry("DELETE", repository, tag)
            deleted.append({"imageDigest": digest, "imageTag": tag})
            continue
        # With its last tag the image goes too, unless an index needs it.
        indexes = [each for each in images if any(child["digest"] == digest for child in content_of(each).get("manifests", []))]
        if parents := ", ".join(each.image_digest for each in indexes):
            reason = f"Requested image referenced by manifest list: [{parents}]"
            failures.append(failure(image_id, "ImageReferencedByManifestList", reason))
            continue
        call_registry("DELETE", repository, digest)
        deleted += [{"imageDigest": digest, "imageTag": each} for each in image.image_tags] or [{"imageDigest": digest}]
    return ActionResult({"imageIds": deleted, "failures": failures})


class ImageTagAlreadyExistsException(ServiceException):
    code = "ImageTagAlreadyExistsException"


class ReferencedImagesNotFoundException(ServiceException):
    code = "ReferencedImagesNotFoundException"


def put_image(self: ECRResponse) -> ActionResult:
    repository = repository_of(self)
    tag, manifest = self._get_param("imageTag"), self._get_param("imageManifest")
    media_type = self._get_param("imageManifestMediaType") or json.loads(manifest)["mediaType"]
    digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    if find(repository.images, {"imageDigest": digest, "imageTag": tag}):
        raise ImageAlreadyExistsException(repository.name, repository.registry_id, digest, tag)
    try:
        call_registry("PUT", repository, tag or digest, data=manifest.encode(), headers={"Content-Type": media_type})
    except HTTPError as error:
        for refused in json.load(error)["errors"]:
            if refused["code"] == "TAG_INVALID":
                raise ImageTagAlreadyExistsException(refused["message"]) from None
            if refused["code"] == "MANIFEST_BLOB_UNKNOWN":
                reason = f"what the manifest refers to is not in the repository: {refused['detail']}"
                raise ReferencedImagesNotFoundException(reason) from None
        raise
    image = find(repository.images, {"imageDigest": digest})
    image.image_tag = tag
    return ActionResult({"image": image})


for action in get_authorization_token, batch_get_image, batch_delete_image, put_image:
    setattr(ECRResponse, action.__name__, action)


@replacing(ECRResponse, "describe_images")
def describe_images_of_status(original, self: ECRResponse) -> ActionResult:
    """moto knows no filter here. It describes an image that has no tag without any."""
    status = self._get_param("filter", {}).get("tagStatus")
    unwanted = {"TAGGED": False, "UNTAGGED": True}.get(status)
    images = original(self).result["imageDetails"]
    return ActionResult({"imageDetails": [each for each in images if hasattr(each, "image_tags") != unwanted]})


@replacing(ECRBackend, "create_repository")
def create_empty_repository(original, self: ECRBackend, *args, **kwargs) -> Repository:
    repository = original(self, *args, **kwargs)
    repository.uri = f"{REGISTRY}/{repository.name}"
    # Left by a repository of an earlier moto.
    shutil.rmtree(folder_of(repository), ignore_errors=True)
    return repository


@replacing(ECRBackend, "delete_repository")
def delete_repository_with_images(original, self: ECRBackend, *args, **kwargs) -> Repository:
    repository = original(self, *args, **kwargs)
    shutil.rmtree(folder_of(repository), ignore_errors=True)
    return repository
