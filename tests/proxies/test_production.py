"""docs/production.md, "From an empty server": its commands, with real PostgreSQL, Redis and nginx.

What only root of a whole machine can do is left out, or stands in for here: packages, users,
systemd, a certificate of Let's Encrypt. Every command of the page is in one of the tables below.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pgserver._commands import POSTGRES_BIN_PATH

from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import free_port
from ..harness.waiting import eventually
from .proxies import SYSTEM_PATH

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/production.md"
NAME = "inbox.example.com"
PASSWORD = "correct horse battery"
LIMIT = 600  # s for one command: packages are installed
ROOTS = (
    "sudo -u rtapp /opt/rtapp/bin/manage doctor",  # there is no such name here
    "apt ", "adduser ", "git clone ", "cd ", "systemctl ", "certbot ", "nginx -t",
)  # fmt: skip
OURS = ("RTAPP_", "REDIS_", "DATABASE_", "SECRET_", "PG", "WEB_CONCURRENCY", "HOST", "PORT")

pytestmark = pytest.mark.skipif(
    not all(
        shutil.which(c, path=SYSTEM_PATH) for c in ("nginx", "curl", "openssl", "redis-server")
    ),
    reason="SKIPPED: there is no nginx, curl, openssl or redis-server on this machine",
)


def commands() -> list[str]:
    """The commands of the page's first part."""
    part = PAGE.read_text().split("## From an empty server\n")[1].split("\n## ")[0]
    return [line.strip() for line in part.splitlines() if line.startswith("    ")]


class Machine:
    """A folder in place of the machine's file system, with free ports."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port, self.redis, self.http, self.https = (free_port() for _ in range(4))
        self.postgres = PostgresServer(folder / "postgres")
        self.certificate = folder / "fullchain.pem"
        self.running: list[subprocess.Popen[bytes]] = []
        self.link = ""  # to the first page
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # systemd's
        for name in ("etc/redis", "etc/nginx/sites-enabled", "etc/systemd/system", "instance"):
            (folder / name).mkdir(parents=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        self.environ = clean | {
            "PATH": f"{POSTGRES_BIN_PATH}:{clean['PATH']}:{SYSTEM_PATH}",
            "PGHOST": "127.0.0.1", "PGPORT": str(self.postgres.port), "PGUSER": "postgres",
            "RTAPP_ENV_FILE": str(folder / "etc/rtapp.env"),
            "RTAPP_INSTANCE": str(folder / "instance"),
        }  # fmt: skip

    def here(self, text: str) -> str:
        """A command, or a file, as it is on this machine."""
        for there, replacement in (
            ("--owner root --group rtapp ", ""),
            ("sudo -u postgres ", ""),
            ("sudo -u rtapp ", ""),
            ("/opt/rtapp", str(self.folder / "opt/rtapp")),
            ("/etc/rtapp.env", str(self.folder / "etc/rtapp.env")),
            ("/etc/redis/", str(self.folder / "etc/redis/") + "/"),
            ("/etc/nginx/", str(self.folder / "etc/nginx/") + "/"),
            ("/etc/systemd/", str(self.folder / "etc/systemd/") + "/"),
            ("127.0.0.1:8000", f"127.0.0.1:{self.port}"),
            (
                f"https://{NAME}",
                f"--cacert {self.certificate} --resolve {NAME}:{self.https}:127.0.0.1 "
                f"https://{NAME}:{self.https}",
            ),
        ):
            text = text.replace(there, replacement)
        return text

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(command)],
            cwd=ROOT, env=self.environ, text=True, capture_output=True, timeout=LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def start(self, name: str, command: list[str], **more: object) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **{"env": self.environ, **more},  # type: ignore[call-overload]
            )  # fmt: skip
        self.running.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(f"{p.name}:\n{p.read_text()}" for p in self.folder.glob("*.log"))

    # What the machine's root does

    def start_redis(self) -> None:
        config = self.folder / "etc/redis/redis.conf"
        own = f"port {self.redis}\nbind 127.0.0.1\ndir {self.folder}\n"
        config.write_text(own + config.read_text())
        self.start("redis", ["redis-server", str(config)])

    def settings(self) -> dict[str, str]:
        """The environment file as systemd reads it."""
        path = self.folder / "etc/rtapp.env"
        text = path.read_text()
        text = text.replace(":6379", f":{self.redis}").replace(
            "rtapp?host=/var/run/postgresql",
            f"rtapp?host=127.0.0.1&port={self.postgres.port}&user=rtapp",
        )
        path.write_text(f"{text}PORT={self.port}\n")
        lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#;"]
        return {k: shlex.split(v)[0] for k, _, v in (line.partition("=") for line in lines)}

    def start_service(self) -> "subprocess.Popen[bytes]":
        unit = self.here((self.folder / "etc/systemd/system/rtapp.service").read_text())
        (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "RTAPP_INSTANCE":
                   self.environ["RTAPP_INSTANCE"], **self.settings()}  # fmt: skip
        assert "Type=notify\n" in unit
        self.notified.bind(str(self.folder / "notify"))
        environ["NOTIFY_SOCKET"] = str(self.folder / "notify")
        return self.start("rtapp", [command], env=environ, cwd=self.folder / "instance")

    def make_certificate(self) -> None:
        self.run(
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} "
            f"-addext subjectAltName=DNS:{NAME} -keyout {self.folder}/privkey.pem "
            f"-out {self.certificate}"
        )

    def start_nginx(self) -> None:
        site = self.folder / "etc/nginx/sites-enabled/rtapp"
        text = self.here(site.read_text())
        for there, replacement in (
            ("listen 80;", f"listen 127.0.0.1:{self.http};"),
            ("listen [::]:80;", ""),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.https} ssl http2;"),
            ("listen [::]:443 ssl http2;", ""),
            (f"/etc/letsencrypt/live/{NAME}/", f"{self.folder}/"),
            ("/var/log/nginx/", f"{self.folder}/"),
        ):
            assert there in text, there
            text = text.replace(there, replacement)
        assert "example.com" not in text.replace(NAME, "")
        site.write_text(text)
        places = " ".join(
            f"{kind}_temp_path {self.folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        main = self.folder / "nginx.conf"
        user = "user nobody nogroup; " if os.geteuid() == 0 else ""
        main.write_text(
            f"{user}daemon off; pid {self.folder}/nginx.pid; error_log stderr; events {{}}\n"
            f"http {{ {places} gzip on; include {site}; }}\n"
        )
        self.run(f"nginx -t -e stderr -c {main}")
        self.start("nginx", ["nginx", "-e", "stderr", "-c", str(main)])

    def client(self) -> httpx.Client:
        """A browser, as far as cookies go, past DNS."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.https}", timeout=60, verify=False, trust_env=False,
            headers={"Host": NAME, "Accept": "text/html", "Origin": f"https://{NAME}",
                     "Referer": f"https://{NAME}/"},
        )  # fmt: skip

    def stop(self) -> None:
        self.notified.close()
        for process in self.running[::-1]:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(60)
        self.postgres.stop()


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
