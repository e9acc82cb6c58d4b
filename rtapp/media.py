"""The type of an uploaded file by its content, and the thumbnail of a picture.

Each file is looked at by a process of its own (inspect_file.py), with limits of memory and time:
the event loop never waits for a decoder, and a file that brings one down brings down nothing else.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

from gevent import subprocess
from gevent.lock import BoundedSemaphore

PROGRAM = Path(__file__).with_name("inspect_file.py")
AT_ONCE = 2  # files that a process looks at; more wait
PATIENCE = 20.0  # s for one file: more than its limit of processor time
BROKEN = "can't be looked at: it takes too much time or memory"

_turns = BoundedSemaphore(AT_ONCE)


class Refused(Exception):
    """The file is not taken. The text is the end of a sentence that begins with the file."""


class Inspected(NamedTuple):
    """What a file is by its content. `thumbnail`: of a picture, else empty."""

    content_type: str
    width: int | None
    height: int | None
    thumbnail: bytes


def inspected(data: bytes) -> Inspected:
    """What the file is. Raises Refused for a type that is not taken, and for a picture that can't
    be shown."""
    with _turns:
        written = output(data)
    line, _, thumbnail = written.partition(b"\n")
    found = json.loads(line)
    if "refused" in found:
        raise Refused(found["refused"])
    return Inspected(found["type"], found.get("width"), found.get("height"), thumbnail)


def output(data: bytes) -> bytes:
    """The program's output. Raises Refused if it was ended by a limit."""
    # Isolated: it has what Python and its packages bring, and nothing of the environment.
    process = subprocess.Popen(
        [sys.executable, "-I", str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        close_fds=True,
    )
    try:
        written: bytes = process.communicate(data, timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        raise Refused(BROKEN) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise Refused(BROKEN)
    return written
