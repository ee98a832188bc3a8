"""KMS, with the key that encrypts the secrets in the stack's state. It is the same at every start: the state outlives moto's memory."""

import os
from hashlib import sha256

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.kms.models import Key, kms_backends

REGION = os.environ["AWS_REGION"]

if ARN := os.environ.get("LOCAL_CLOUD_STATE_KEY"):
    key = Key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "the state's secrets", ACCOUNT, REGION)
    key.arn, key.id = ARN, ARN.rpartition("/")[2]
    # No secret: it encrypts the local registry's token, which is valid in this cloud alone.
    key.key_material = sha256(ARN.encode()).digest()
    kms_backends[ACCOUNT][REGION].keys[key.id] = key
