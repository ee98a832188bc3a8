"""EC2, where moto and AWS differ: GetConsoleOutput answers what the machine really printed, and an instance is seen only when it is whole."""

import os
from functools import wraps
from pathlib import Path
from threading import Lock

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.instances import Instance
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import Base64EncodedString

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

# On AWS the interface that a launch makes ends with its instance.
terminate = Instance.terminate


def terminate_with_interfaces(self: Instance) -> object:
    for interface in self.nics.values():
        interface.delete_on_termination = True
    return terminate(self)


Instance.terminate = terminate_with_interfaces
