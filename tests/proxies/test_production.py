"""docs/production.md, "From an empty server": its commands, with real PostgreSQL, Redis and nginx.

What only root of a whole machine can do is left out, or stands in for here: packages, users,
systemd, a certificate of Let's Encrypt. Every command of the page is in one of the tables below.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ..harness.machine import LIMIT
from ..harness.machine import NAME
from ..harness.machine import ROOT
from ..harness.machine import Machine
from ..harness.machine import needs_programs
from ..harness.waiting import eventually

PAGE = ROOT / "docs/production.md"
PASSWORD = "correct horse battery"
ROOTS = (
    "sudo -u rtapp /opt/rtapp/bin/manage doctor",  # there is no such name here
    "apt ", "adduser ", "git clone ", "cd ", "systemctl ", "certbot ", "nginx -t",
)  # fmt: skip

pytestmark = needs_programs


def commands() -> list[str]:
    """The commands of the page's first part."""
    part = PAGE.read_text().split("## From an empty server\n")[1].split("\n## ")[0]
    return [line.strip() for line in part.splitlines() if line.startswith("    ")]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """The machine after all commands of the page."""
    folder = Path(tempfile.mkdtemp(prefix="rtapp-production-"))
    folder.chmod(0o755)
    machine = Machine(folder)
    try:
        machine.postgres.create()
        machine.postgres.start()
        for command in commands():
            if not command.startswith(ROOTS):
                if command.startswith("curl "):
                    eventually(lambda c=command: answers(machine, c), command,
                               observed=machine.logs)  # fmt: skip
                elif " manage setup " in command.replace("/opt/rtapp/bin/", " "):
                    machine.link = machine.run(command).strip()
                else:
                    machine.run(command)
            elif command == "systemctl restart redis-server":
                machine.start_redis()
            elif command.startswith("systemctl enable --now rtapp "):
                machine.start_service()
            elif command.startswith("certbot "):
                machine.make_certificate()
            elif command == "systemctl reload nginx":
                machine.start_nginx()
        yield machine
    finally:
        machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


def answers(machine: Machine, command: str) -> bool:
    assert all(process.poll() is None for process in machine.running), machine.logs()
    done = subprocess.run(
        ["bash", "-c", machine.here(command)], env=machine.environ, capture_output=True, text=True
    )
    return "ready" in done.stdout


def test_the_page_has_commands_of_both_kinds():
    assert sum(c.startswith(ROOTS) for c in commands()) >= 8
    assert sum(not c.startswith(ROOTS) for c in commands()) >= 9


def test_the_service_runs_two_workers_as_production(machine):
    master = next(
        p for p in machine.running if b"gunicorn" in Path(f"/proc/{p.pid}/cmdline").read_bytes()
    )
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    assert len(children) == 2
    environ = Path(f"/proc/{master.pid}/environ").read_bytes()
    assert b"RTAPP_ENV=production" in environ
    assert (
        str(machine.folder / "opt/rtapp/releases").encode()
        in Path(f"/proc/{master.pid}/cmdline").read_bytes()
    )


def test_the_service_notifies_systemd_when_it_is_ready(machine):
    """By its main process, as NotifyAccess=main has it: the script has become gunicorn."""
    machine.notified.settimeout(60)
    assert machine.notified.recv(1024).startswith(b"READY=1")


def test_the_backup_of_the_timer_is_made_beside_the_service(machine):
    unit = (machine.folder / "etc/systemd/system/rtapp-backup.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    (folder := machine.folder / "backups").mkdir()
    machine.run(f"cd {folder}; {command.replace('%%', '%')}")
    (file,) = folder.glob("*.backup")
    assert file.stat().st_mode & 0o777 == 0o600
    (after,) = re.findall(r"^ExecStartPost=(.+)$", unit, re.MULTILINE)
    old = folder / "old.backup"
    old.touch()
    os.utime(old, (0, 0))
    machine.run(after.replace("/var/lib/rtapp-backups", str(folder)))
    assert [f.name for f in folder.iterdir()] == [file.name]


def test_the_settings_are_for_the_service_alone_and_have_a_new_secret(machine):
    file = machine.folder / "etc/rtapp.env"
    assert file.stat().st_mode & 0o777 == 0o640
    (secret,) = re.findall(r"^SECRET_KEY=([0-9a-f]{64})$", file.read_text(), re.MULTILINE)
    assert secret not in machine.logs()
    assert f"RTAPP_URL=https://{NAME}" in file.read_text()


def test_nginx_sends_http_to_https_and_has_http_2(machine):
    plain = httpx.get(f"http://127.0.0.1:{machine.http}/login", headers={"Host": NAME})
    assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{NAME}/login")
    version = machine.run(
        f"curl --silent --output /dev/null --write-out '%{{http_version}}' https://{NAME}/healthz"
    )
    assert version == "2"


def test_redis_persists_and_does_not_evict(machine):
    asked = f"redis-cli -p {machine.redis} config get"
    assert machine.run(f"{asked} appendonly").split() == ["appendonly", "yes"]
    assert machine.run(f"{asked} maxmemory-policy").split()[1] == "noeviction"


def test_the_link_leads_to_the_first_account_and_its_first_message(machine):
    assert machine.link.startswith(f"https://{NAME}/setup?code=")
    with machine.client() as browser:
        assert browser.get("/", follow_redirects=False).status_code in (302, 303)
        page = browser.get(machine.link.removeprefix(f"https://{NAME}"), follow_redirects=True)
        first = {
            "account": "Acme",
            "name": "Ada",
            "email": "ada@acme.example",
            "password": PASSWORD,
        }
        answer = browser.post("/setup", data={**first, **csrf(page)})
        assert answer.status_code == 303, answer.text
        browser.headers["Accept"] = "application/json"
        inbox = browser.get("/accounts/1/inboxes").json()["inboxes"][0]
        conversation = {
            "inbox_id": inbox["id"], "content": "The first message",
            "contact": {"name": "Maria", "email": "maria@example.org"},
        }  # fmt: skip
        token = csrf(browser.get("/accounts/1/conversations", headers={"Accept": "text/html"}))
        made = browser.post(
            "/accounts/1/conversations", json=conversation,
            headers={"X-CSRF-Token": token["csrf_token"]},
        )  # fmt: skip
        assert made.status_code == 201, made.text
        messages = browser.get(f"/conversations/{made.json()['id']}/messages").json()["messages"]
        assert [one["content"] for one in messages] == ["The first message"]
    assert PASSWORD not in machine.logs()
    assert (
        machine.link.partition("code=")[2]
        not in (machine.folder / "rtapp.log")
        .read_text()
        .partition("Set rtapp up")[2]
        .partition("\n")[2]
    )  # the line that prints it aside


def csrf(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrf[_-]token"[^>]*(?:value|content)="([^"]+)"', page.text)
    assert found, page.text
    return {"csrf_token": found[1]}


def test_a_second_release_stands_beside_the_one_that_runs(machine):
    """Made by hand: installing it takes a minute."""
    releases = machine.folder / "opt/rtapp/releases"
    (first,) = releases.iterdir()
    assert (first / "complete").is_file()
    assert (machine.folder / "opt/rtapp/current").resolve() == first.resolve()


def test_an_installation_that_fails_leaves_nothing(machine, tmp_path):
    """Without packages to install: the release that runs stays the current one."""
    prefix = machine.folder / "opt/rtapp"
    before = sorted(p.name for p in (prefix / "releases").iterdir()), (prefix / "current").resolve()
    done = subprocess.run(
        [ROOT / "bin/install", prefix],
        env=machine.environ | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
                               "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode != 0
    after = sorted(p.name for p in (prefix / "releases").iterdir()), (prefix / "current").resolve()
    assert after == before
