"""A server that can't work ends at its start, with one sentence and without a secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .faults.redis_server import RedisServer
from .harness.app_process import CLEARED
from .harness.app_process import AppProcess

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s for a process that refuses to start
PASSWORD = "the password of Redis"
SERVERS = pytest.mark.parametrize(
    ("server", "code"),
    [(["app.py"], 1), (["-m", "gunicorn", "app:app"], 3)],
    ids=["python app.py", "gunicorn"],
)


@pytest.fixture
def guarded(tmp_path):
    """A redis-server that wants a password."""
    server = RedisServer(tmp_path)
    server.start()
    server.client.config_set("requirepass", PASSWORD)
    yield server
    server.stop()


def ended(folder, server, **environ) -> "subprocess.CompletedProcess[str]":
    clean = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)}
    return subprocess.run(
        [sys.executable, *server],
        cwd=ROOT,
        env=clean | {"RTAPP_INSTANCE": str(folder / "instance"), "PORT": "0", **environ},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


@SERVERS
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("given", "sentence"),
    [("", "Redis wants a password"), (":wrong@", "Redis refuses the user or password")],
)
def test_a_wrong_password_of_redis_ends_the_start(
    guarded, database_url, tmp_path, server, code, given, sentence
):
    url = f"unix://{given}{guarded.socket}"
    refused = ended(tmp_path, server, REDIS_URL=url, DATABASE_URL=database_url)
    assert refused.returncode == code, refused.stderr
    assert f"rtapp: {sentence}" in refused.stderr
    assert "Correct REDIS_URL" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "wrong@" not in refused.stderr
    assert "is ready" not in refused.stdout


def test_a_server_waits_for_a_redis_that_cannot_be_reached(tmp_path):
    with AppProcess(tmp_path, REDIS_URL=f"unix://{tmp_path}/none") as server:
        assert "is ready" in server.log.read_text()


@pytest.mark.parametrize("server", [["app.py"], ["-m", "gunicorn", "app:app"]])
def test_a_wrong_setting_ends_the_start_before_any_worker(tmp_path, server):
    refused = ended(tmp_path, server, DATABASE_URL="postgres://u:secret@h/d")
    assert refused.returncode == 1
    assert refused.stderr.count("rtapp: DATABASE_URL begins with postgres://") == 1
    assert "Booting worker" not in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr
