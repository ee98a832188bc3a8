import type { Architecture } from "./architecture.ts";
import { type ImageReference, imageRef } from "./image-reference.ts";

export interface UserDataArgs {
  /** Name of the app and of its container. */
  name: string;
  /** The same on every machine. */
  image: ImageReference;
  region: string;
  instanceType: string;
  architecture: Architecture;
  /** TCP port of the machine on which the app answers. */
  port: number;
}

/** Stands in a machine's console where its user data failed; the lines before it say why. */
export const failureMarker = "USER-DATA-FAILED";

/** What confines the container, as options of `docker run`. */
export const hardening = [
  ...["--user", "65532:65532", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--memory", "256m", "--memory-swap", "256m", "--pids-limit", "128"],
];

/** The app's own port inside its container. */
const containerPort = 3000;

/**
 * The script that cloud-init runs once, as root, at a machine's first boot. Its output is in the machine's console
 * (`aws ec2 get-console-output`) and in /var/log/cloud-init-output.log.
 */
export function userData(args: UserDataArgs): string {
  const { registry, repository, tag, digest } = args.image;
  return `#!/bin/bash
set -Eeuo pipefail

readonly name=${quote(args.name)}
readonly image=${quote(imageRef(args.image))}
readonly repository=${quote(`${registry}/${repository}`)}
readonly registry=${quote(registry)}
readonly region=${quote(args.region)}
readonly instance_type=${quote(args.instanceType)}
readonly expected_architecture=${quote(args.architecture.image)}
readonly expected_digest=${quote(digest)}

say() { echo "$name: $*"; }
fail() { say "$*"; say ${failureMarker}; exit 1; }
trap 'fail "line $LINENO: \\"$BASH_COMMAND\\" ended with exit status $?"' ERR

# A new instance profile takes time to be known everywhere. After about three minutes the console says so, but the script goes on: a
# registry may come back after an hour, and the next pulumi up then finds it running.
retry() {
  local attempt
  for attempt in 1 2 4 8 15 15 15 30 30 30; do
    if "$@"; then return 0; fi
    say "not yet: $*; again in $attempt s"
    sleep "$attempt"
  done
  say "gave up waiting for: $*; trying on, every 10 s"
  say ${failureMarker}
  until "$@"; do sleep 10; done
}

login_and_pull() {
  aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$registry" &&
    docker pull --quiet "$image"
}

say "installing Docker"
retry dnf install -y -q docker
retry systemctl enable --now docker

say "pulling $image"
# The login is kept in memory only, and only for the pull.
export DOCKER_CONFIG=/run/$name-docker
retry login_and_pull
rm -rf "$DOCKER_CONFIG"

# Asked once: the client's start takes longer than its answer.
facts=$(docker image inspect --format '{{.Architecture}} {{.Id}}{{range .RepoDigests}} {{.}}{{end}}' "$image")
read -r image_architecture image_id repository_digests <<<"$facts"
image_digest=\${repository_digests#*"$repository@"}
image_digest=\${image_digest%% *}
say "machine $(uname -m), image $image_architecture, digest $image_digest"
[ "$image_architecture" = "$expected_architecture" ] || fail "the image is $image_architecture; expected $expected_architecture"
[ "$image_digest" = "$expected_digest" ] || fail "the image is $image_digest; expected $expected_digest"

say "starting"
# Always: with unless-stopped, a container that Docker itself stopped on its way up, after a crash, would stay down.
docker run --detach --name "$name" --restart always \\
  --publish ${args.port}:${containerPort} \\
  ${hardening.join(" ")} \\
  --log-driver json-file --log-opt max-size=10m --log-opt max-file=3 \\
  --env PORT=${containerPort} \\
  --env APP_NAME="$name" \\
  --env APP_VERSION=${quote(tag)} \\
  --env INSTANCE_ID="$(cat /var/lib/cloud/data/instance-id)" \\
  --env INSTANCE_TYPE="$instance_type" \\
  --env MACHINE_ARCHITECTURE="$(uname -m)" \\
  --env IMAGE_ARCHITECTURE="$image_architecture" \\
  --env IMAGE_REF="$image" \\
  --env IMAGE_ID="$image_id" \\
  --env IMAGE_DIGEST="$image_digest" \\
  "$image"

crashes=0
for _ in $(seq 60); do
  if docker logs "$name" 2>&1 | grep listening >/dev/null; then
    say "listening on port ${args.port}"
    exit 0
  fi
  crashes=$(docker inspect --format '{{.RestartCount}}' "$name")
  [ "$crashes" -lt 3 ] || break
  sleep 1
done
docker logs --tail 20 "$name" 2>&1 || true
[ "$crashes" -lt 3 ] || fail "the app ended $crashes times before it listened; its last lines are above"
fail "the app did not start within 60 s; its last lines are above"
`;
}

/** A word that the shell takes literally. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
