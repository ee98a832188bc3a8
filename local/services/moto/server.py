"""moto's own server, with what differs from AWS changed: a module for each service."""

import logging
import os
import sys
from importlib import import_module

# Read by moto when it is imported: AWS's managed policies can be attached, and policies hold from the first call on.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"

for module in ("autoscaling", "ec2", "ecr", "elb", "gateways", "iam", "kms", "network", "pages", "quotas"):
    import_module(module)

from moto.server import main

# A line per request would bury the rest: the agent alone makes several a second.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

main(["--host", sys.argv[1], "--port", sys.argv[2]])
