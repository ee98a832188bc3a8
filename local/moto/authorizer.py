"""IAM's decisions, made by a library for Node: a process of its own, asked in lines of JSON."""

import json
import subprocess
from functools import cache
from pathlib import Path
from threading import Lock

LOCK = Lock()
PROCESS: list[subprocess.Popen] = []


def ask(question: object) -> object:
    with LOCK:
        if not PROCESS or PROCESS[0].poll() is not None:
            program = ["node", str(Path(__file__).with_name("authorizer.ts"))]
            PROCESS[:] = [subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)]
        [process] = PROCESS
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("the process that decides about permissions has ended")
    return json.loads(answer)


@cache
def describe(action: str) -> list[dict] | None:
    """The types of resource that an action is on, as AWS documents them; None where AWS has no such action."""
    return ask(action)
