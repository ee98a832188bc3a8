"""moto's own server with one thing changed: EC2's GetConsoleOutput answers what the machine really printed."""

import logging
import os
import sys
from pathlib import Path

# Read by moto when it is imported: without it AWS's managed policies cannot be attached.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses.general import General
from moto.ec2.utils import Base64EncodedString
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
# A line per request would bury the rest: the agent alone makes several a second.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

main(["--host", sys.argv[1], "--port", sys.argv[2]])
