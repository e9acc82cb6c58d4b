"""The type of an uploaded file by its content, and the thumbnail of a picture.

Each file is looked at by a process of its own (inspect_file.py), with limits of memory and time:
the event loop never waits for a decoder, and a file that brings one down brings down nothing else.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import gevent
from gevent.event import AsyncResult
from gevent.fileobject import FileObject
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
    (its_input, ours_to_write), (ours_to_read, its_output) = os.pipe(), os.pipe()
    writing = gevent.spawn(write, ours_to_write, data)
    try:
        pid, status = started(its_input, its_output)
    except OSError:
        os.close(ours_to_read)
        raise
    finally:
        os.close(its_input)
        os.close(its_output)
    limit = gevent.Timeout(PATIENCE)
    try:
        with limit, FileObject(ours_to_read, "rb") as file:
            written: bytes = file.read()
            ended_well = status.get() == 0
    except gevent.Timeout as timeout:
        if timeout is not limit:
            raise
        raise Refused(BROKEN) from None
    finally:
        writing.kill()
        if not status.ready():
            os.kill(pid, signal.SIGKILL)
            status.wait()
    if not ended_well:
        raise Refused(BROKEN)
    return written


def started(its_input: int, its_output: int) -> tuple[int, "AsyncResult[int]"]:
    """The id of the program's process, and its status once it has ended.

    Spawned, not forked: a fork copies the page tables of this process, while every stream waits.
    Descriptors are not inherited (PEP 446). Isolated (-I), it has what Python and its packages
    bring, and nothing of the environment.
    """
    loop = gevent.get_hub().loop
    loop.install_sigchld()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", str(PROGRAM)],
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, its_input, 0),
            (os.POSIX_SPAWN_DUP2, its_output, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    status: AsyncResult[int] = AsyncResult()
    watcher = loop.child(pid)  # before anything else runs, or its end would not be noticed

    def ended() -> None:
        status.set(watcher.rstatus)
        watcher.stop()
        watcher.close()

    watcher.start(ended)
    return pid, status


def write(descriptor: int, data: bytes) -> None:
    """A program that has ended takes no more."""
    with suppress(OSError), FileObject(descriptor, "wb") as file:
        file.write(data)
