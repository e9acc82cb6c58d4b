"""A file is looked at by a process of its own, whose end is noticed whatever it is."""

import os
from pathlib import Path

import gevent
import pytest

from rtapp import media
from rtapp.media import Refused

from .files import png
from .harness.waiting import eventually

ENDINGS = {
    "it fails": "raise SystemExit(1)",
    "it is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "it takes too much memory": "import resource; resource.setrlimit(resource.RLIMIT_AS, "
    "(300_000_000,) * 2); print(len(bytearray(400_000_000)))",
    "it takes too much time": "import time; time.sleep(600)",
    "it does not read, and hangs": "import time; print(1, flush=True); time.sleep(600)",
}


def children() -> set[str]:
    """The processes of this one, zombies too."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("program", ENDINGS.values(), ids=ENDINGS)
def test_a_file_that_brings_its_process_down_is_refused_and_nothing_is_left(
    program, tmp_path, monkeypatch
):
    assert media.inspected(png()).content_type == "image/png"
    before = children(), descriptors()
    monkeypatch.setattr(media, "PATIENCE", 1.0)
    monkeypatch.setattr(media, "PROGRAM", tmp_path / "program.py")
    media.PROGRAM.write_text(program)
    with pytest.raises(Refused, match="too much time or memory"):
        media.inspected(bytes(5_000_000))
    eventually(lambda: (children(), descriptors()) == before, "all is closed")


def test_an_upload_that_is_given_up_ends_its_process(tmp_path, monkeypatch):
    media.inspected(png())
    before = children(), descriptors()
    monkeypatch.setattr(media, "PROGRAM", tmp_path / "program.py")
    media.PROGRAM.write_text(ENDINGS["it takes too much time"])
    waiting = gevent.spawn(media.inspected, png())
    eventually(lambda: children() > before[0], "the process runs")
    waiting.kill()
    eventually(lambda: (children(), descriptors()) == before, "all is closed")
    monkeypatch.undo()
    assert media.inspected(png()).width == 40


def test_files_that_come_at_once_take_turns(monkeypatch):
    before = children()
    files = [gevent.spawn(media.inspected, png()) for _ in range(6)]
    most = 0
    while not all(each.ready() for each in files):
        most = max(most, len(children() - before))
        gevent.sleep(0.001)
    assert [each.get().content_type for each in files] == ["image/png"] * 6
    assert 1 <= most <= media.AT_ONCE
