"""A server that can't work ends at its start, with one sentence and without a secret."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .faults.redis_server import RedisServer
from .harness.app_process import CLEARED
from .harness.app_process import AppProcess
from .harness.redis_nodes import RedisNode
from .harness.waiting import PATIENCE
from .harness.waiting import eventually

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


def test_what_no_waiting_mends_ends_the_start(tmp_path):
    """One kind; tests/realtime/test_redis_client.py and test_sentinel.py have the others."""
    node = RedisNode(tmp_path / "node")
    node.start()
    url = f"redis+cluster://:secret@127.0.0.1:{node.port}"
    node.client.config_set("requirepass", "secret")
    refused = ended(tmp_path, ["app.py"], REDIS_URL=url)
    node.stop()
    assert refused.returncode == 1, refused.stderr
    assert "rtapp: This Redis is no cluster: write redis:// in the place" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr


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


INVITATION = "Nobody can sign in yet. Set rtapp up: "


def test_a_server_without_the_demo_prints_the_link_that_sets_it_up(tmp_path):
    with AppProcess(tmp_path, RTAPP_DEMO="off") as server:
        assert server.log.read_text().count(f"{INVITATION}{server.url}/setup?code=") == 1
        assert "Sign in with the password" not in server.log.read_text()
        link = server.flask("setup", "link")
        assert link in server.log.read_text()
        assert httpx.get(link, timeout=PATIENCE).headers["Location"] == "/setup"
    with AppProcess(tmp_path, RTAPP_DEMO="on") as server:  # it makes the demo, as it was empty
        assert INVITATION not in server.log.read_text()
        assert "Sign in with the password" in server.log.read_text()


def test_gunicorn_logs_the_link_once_for_all_workers(tmp_path):
    server = AppProcess(tmp_path, RTAPP_DEMO="off", RTAPP_URL="http://inbox.example.com")
    server.flask("db", "upgrade")
    with (tmp_path / "gunicorn.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "--workers",
                "2",
                "--bind",
                f"unix:{tmp_path}/s",
                "app:app",
            ],
            cwd=ROOT,
            env=server.environ,
            stdout=log,
            stderr=log,
        )
        try:
            path = tmp_path / "gunicorn.log"
            link = f"{INVITATION}http://inbox.example.com/setup?code="
            eventually(lambda: link in path.read_text(), "the link is logged")
            eventually(lambda: path.read_text().count("Booting worker") == 2, "both start")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
    assert (tmp_path / "gunicorn.log").read_text().count(INVITATION) == 1
