"""Creates the account's users and policies at each start: moto keeps nothing when it ends."""

import json
import os

from iam import ACCOUNT
from moto.iam.models import iam_backends

backend = iam_backends[ACCOUNT]["aws"]

given = json.loads(os.environ["LOCAL_CLOUD_USERS"])
policies = {
    name: backend.create_policy("", "/", json.dumps(document), name, []) for name, document in given["policies"].items()
}
for name, user in given["users"].items():
    backend.create_user(os.environ["AWS_REGION"], name)
    for policy in user["policies"]:
        backend.attach_user_policy(policies[policy].arn, name)
    key = backend.create_access_key(name)
    del backend.access_keys[key.access_key_id]
    key.access_key_id, key.secret_access_key = user["key"].values()
    backend.access_keys[key.access_key_id] = key
