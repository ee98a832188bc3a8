"""A file that is touched by what may have changed something, for what runs it (../ec2/agent.ts) to see: to ask the API costs more."""

import os
from pathlib import Path

from moto.core.responses import BaseResponse

MARK = Path(os.environ["LOCAL_CLOUD_DIR"], "changed")
MARK.touch()  # a start is a change too: what moto knew is gone


def touches(cls: type[BaseResponse]) -> None:
    call_action = cls.call_action

    def touch_after(self: BaseResponse) -> object:
        try:
            return call_action(self)
        finally:
            if not self._get_action().startswith(("Describe", "Get", "List")):
                MARK.touch()

    cls.call_action = touch_after
