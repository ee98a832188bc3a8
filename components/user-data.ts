import type { Architecture } from "./architecture.ts";
import { type ImageReference, imageRef } from "./image-reference.ts";

export interface UserDataArgs {
  /** Name of the app and of its container. */
  appName: string;
  /** The same on every machine. */
  image: ImageReference;
  region: string;
  /** Name of the log group that it writes to, to a stream named by the instance's id. */
  logGroup: string;
  instanceType: string;
  architecture: Architecture;
  /** TCP port of the machine on which the app answers. */
  port: number;
  /** The app's own environment variables, each as `NAME=value`. */
  environment: readonly string[];
  /** Those whose values the machine reads from AWS Systems Manager when it starts. */
  secrets: Secrets;
}

/** Parameters that are environment variables of the app: `DATABASE_URL` is the parameter `path/DATABASE_URL`. */
export interface Secrets {
  /** Such as `/hono-app/dev`. */
  readonly path: string;
  readonly names: readonly string[];
}

/** Stands in a machine's console where its user data failed; the lines before it say why. */
export const failureMarker = "USER-DATA-FAILED";

/** How the line before the marker ends where the script goes on trying. */
export const goesOn = "trying again every 10 s";

/** What confines the container, as options of `docker run`. */
export const hardening = [
  ...["--user", "65532:65532", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--memory", "256m", "--memory-swap", "256m", "--pids-limit", "128"],
];

/** The app's own port inside its container. */
const containerPort = 3000;

/** Environment variables that describe the machine to the app, each with its value as the script writes it. */
const facts = {
  PORT: String(containerPort),
  APP_NAME: '"$name"',
  APP_VERSION: '"$tag"',
  INSTANCE_ID: '"$instance_id"',
  INSTANCE_TYPE: '"$instance_type"',
  MACHINE_ARCHITECTURE: '"$(uname -m)"',
  IMAGE_ARCHITECTURE: '"$image_architecture"',
  IMAGE_REF: '"$image"',
  IMAGE_ID: '"$image_id"',
  IMAGE_DIGEST: '"$image_digest"',
};

/** Environment variables that are not the app's to choose. */
export const factNames: readonly string[] = Object.keys(facts);

/**
 * The script that cloud-init runs once, as root, at a machine's first boot. Its output is in the machine's console
 * (`aws ec2 get-console-output`) and in /var/log/cloud-init-output.log.
 */
export function userData(args: UserDataArgs): string {
  const { registry, repository, tag, digest } = args.image;
  const { environment, secrets } = args;
  const hasSecrets = secrets.names.length > 0;
  const variables = [...Object.entries(facts).map((fact) => fact.join("=")), ...environment.map(quote)];
  return `#!/bin/bash
set -Eeuo pipefail

readonly name=${quote(args.appName)}
readonly image=${quote(imageRef(args.image))}
readonly repository=${quote(`${registry}/${repository}`)}
readonly registry=${quote(registry)}
readonly tag=${quote(tag)}
readonly region=${quote(args.region)}
readonly log_group=${quote(args.logGroup)}
readonly instance_id=$(</var/lib/cloud/data/instance-id)
readonly instance_type=${quote(args.instanceType)}
readonly expected_architecture=${quote(args.architecture.image)}
readonly expected_digest=${quote(digest)}

say() { echo "$name: $*"; }

# To the console, and to the machine's log, which is there when the machine is gone. Quotes, backslashes and line breaks, which JSON would
# want escaped, become spaces.
report() {
  say "$*"
  say ${failureMarker}
  local message events stream
  message=$(printf %s "$name: $*" | tr '"\\\\[:cntrl:]' ' ')
  events="[{\\"timestamp\\": $(date +%s%3N), \\"message\\": \\"$message\\"}]"
  stream=(--region "$region" --log-group-name "$log_group" --log-stream-name "$instance_id")
  # There already, if the container has begun to log.
  timeout 20 aws logs create-log-stream "\${stream[@]}" &>/dev/null || true
  timeout 20 aws logs put-log-events "\${stream[@]}" --log-events "$events" >/dev/null || say "this could not be written to the log group"
}

fail() { report "$*"; exit 1; }
# Not in a subshell too, whose command fails here again.
trap 'status=$?; [ "$BASH_SUBSHELL" -gt 0 ] || fail "line $LINENO: \\"$BASH_COMMAND\\" ended with exit status $status"' ERR

# A new instance profile takes time to be known everywhere. After about three minutes the console says so, but the script goes on: a
# registry may come back after an hour, and the next pulumi up then finds it running. (Auto Scaling replaces a machine sooner.)
retry() {
  local begun=$SECONDS pause=1 answer
  until answer=$("$@" 2>&1); do
    if [ $((SECONDS - begun)) -ge 150 ]; then
      report "still failing after about 3 minutes: $*: $answer; ${goesOn}"
      until "$@"; do sleep 10; done
      return
    fi
    say "$* failed: $answer; trying again in $pause s"
    sleep "$pause"
    pause=$((pause < 15 ? pause * 2 : 30))
  done
}

login_and_pull() {
  # Not in a pipe: without a password Docker would say something of a terminal last, and hide the reason.
  local password
  password=$(aws ecr get-login-password --region "$region") &&
    docker login --username AWS --password-stdin "$registry" <<<"$password" &&
    docker pull --quiet "$image"
}

say "installing Docker"
# Where nothing answers, dnf asks each repository twelve times, then goes on without it, and finds no package.
retry dnf install -y -q --setopt=timeout=5 --setopt=amazonlinux.skip_if_unavailable=False docker
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

${hasSecrets ? readSecrets(secrets) : ""}say "starting"
# Always: with unless-stopped, a container that Docker itself stopped on its way up, after a crash, would stay down.
# The app never waits for CloudWatch: what does not fit into the buffer, which has the size that AWS advises, is lost there. "docker logs"
# reads a copy on this machine.
# https://aws.amazon.com/blogs/containers/preventing-log-loss-with-non-blocking-mode-in-the-awslogs-container-log-driver/
${hasSecrets ? `# Here alone: the AWS CLI has variables too.\n(export "\${secrets[@]}"\n` : ""}docker run --detach --name "$name" --restart always \\
  --publish ${args.port}:${containerPort} \\
  ${hardening.join(" ")} \\
  --log-driver awslogs --log-opt mode=non-blocking --log-opt max-buffer-size=25m \\
  --log-opt awslogs-region="$region" --log-opt awslogs-group="$log_group" --log-opt awslogs-stream="$instance_id" \\
  --log-opt cache-max-size=10m --log-opt cache-max-file=3 \\
${variables.map((variable) => `  --env ${variable} \\`).join("\n")}
  ${hasSecrets ? `"\${named[@]}" "$image")` : '"$image"'}

# Any answer will do: what it is, the load balancer and the verification look at, which wait for longer.
for ((end = SECONDS + 60; SECONDS < end; )); do
  state=$(docker inspect --format '{{.RestartCount}} {{.NetworkSettings.Networks.bridge.IPAddress}}' "$name")
  read -r crashes address <<<"$state"
  [ "$crashes" -lt 3 ] || break
  if answer=$(curl -s -m 5 -o /dev/null -w '%{http_code} %{errormsg}' "http://$address:${containerPort}/health"); then
    say "listening on port ${args.port}: GET /health answers \${answer% }"
    exit 0
  fi
  sleep 1
done
docker logs --tail 20 "$name" 2>&1 || true
[ "$crashes" -eq 0 ] || fail "the app ended $crashes times before it answered; its last lines are above"
fail "the app does not answer at port ${containerPort} (PORT): \${answer#* }; perhaps it listens on another, or only on 127.0.0.1 (docs/app.md); its last lines are above"
`;
}

/**
 * Reads the app's secrets, for `docker run` to find in its environment: its arguments are in the list of processes, which security agents
 * record.
 */
const readSecrets = ({ path, names }: Secrets) => `# To a file in memory: what a command prints, "retry" may print too.
read_secret() (
  umask 077
  aws ssm get-parameter --region "$region" --with-decryption --name ${quote(path)}/"$1" --query Parameter.Value --output text >"/run/$name-secret"
)
secrets=() named=()
for secret in ${names.join(" ")}; do
  retry read_secret "$secret"
  secrets+=("$secret=$(<"/run/$name-secret")")
  named+=(--env "$secret")
done
rm "/run/$name-secret"

`;

/** A word that the shell takes literally. */
export const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
