"""IAM's decisions, made by a library for Node: a process of its own, asked in lines of JSON."""

import json
import subprocess
from functools import lru_cache
from pathlib import Path
from threading import Lock


def start() -> subprocess.Popen:
    program = ["node", str(Path(__file__).with_name("authorizer.ts"))]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


LOCK = Lock()
# At once, so that it loads while moto loads.
PROCESS = [start()]


def ask(question: object) -> object:
    """Of an action: the types of resource that it is on, as AWS documents them; None where AWS has no such action. Else the decision."""
    return json.loads(answer(json.dumps(question)))


@lru_cache(maxsize=1000)
def answer(line: str) -> str:
    """Cached: policies, resources and tags are all part of the question."""
    with LOCK:
        if PROCESS[0].poll() is not None:
            PROCESS[0] = start()
        [process] = PROCESS
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        answered = process.stdout.readline()
    if not answered:
        raise RuntimeError("the process that decides about permissions has ended; its reason is above")
    return answered
