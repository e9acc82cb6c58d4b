"""A machine on which rtapp is installed for production: PostgreSQL, Redis, nginx with TLS, and the
service, all real, in a folder and on free ports."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from pgserver._commands import POSTGRES_BIN_PATH

from ..proxies.proxies import SYSTEM_PATH
from .postgres_server import PostgresServer
from .postgres_server import free_port

ROOT = Path(__file__).resolve().parents[2]
NAME = "inbox.example.com"
LIMIT = 600  # s for one command: packages are installed
NEEDED = ("nginx", "curl", "openssl", "redis-server")
needs_programs = pytest.mark.skipif(
    not all(shutil.which(command, path=SYSTEM_PATH) for command in NEEDED),
    reason="SKIPPED: there is no nginx, curl, openssl or redis-server on this machine",
)
OURS = ("RTAPP_", "REDIS_", "DATABASE_", "SECRET_", "PG", "WEB_CONCURRENCY", "HOST", "PORT")


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
        ):
            text = text.replace(there, replacement)
        if text.startswith("curl "):  # past DNS
            known = f"--cacert {self.certificate} --resolve {NAME}:{self.https}:127.0.0.1"
            text = text.replace(f"https://{NAME}", f"{known} https://{NAME}:{self.https}")
        return text

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(command)],
            cwd=ROOT, env=self.environ, text=True, capture_output=True, timeout=LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def start(
        self, name: str, command: list[str], cwd: Path | None = None, **environ: str
    ) -> "subprocess.Popen[bytes]":
        """Start a program, with its output in a log. `environ` in place of this machine's."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=environ or self.environ, cwd=cwd,
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
        return self.start("rtapp", [command], self.folder / "instance", **environ)

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
