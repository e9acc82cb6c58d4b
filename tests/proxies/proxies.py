"""Real proxies, each with its file of `deploy/`, on a free port of 127.0.0.1."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NamedTuple

import httpx
from pgserver.utils import ensure_prefix_permissions

from ..harness.postgres_server import free_port
from ..harness.waiting import eventually
from .client import HERE
from .client import CurlTransport
from .client import Route
from .client import http_from

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FORWARD = Path(__file__).parent / "squid-forward.conf"
# Debian's user without rights, which every proxy can be.
UNPRIVILEGED: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []}
APACHE_MODULES = (
    "mpm_event", "authz_core", "alias", "asis", "deflate", "env", "filter", "headers", "mime",
    "proxy", "proxy_http",
)  # fmt: skip
# Without it, the proxies are compared over plain HTTP; test_production.py has it.
NGINX_TLS = (
    "ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;",
    "ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;",
    "ssl_protocols TLSv1.2 TLSv1.3;",
)
APACHE_DEFLATES = "AddOutputFilterByType DEFLATE text/html text/plain text/css text/javascript"
STOP_LIMIT = 3.0  # s until a proxy that was asked to end is killed


class Place(NamedTuple):
    """Where a proxy runs: a folder of its own, its port, the port to which it passes on, and those
    of other hosts."""

    folder: Path
    port: int
    upstream: int
    others: tuple[int, ...] = ()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def deployed(self, name: str, **changes: str) -> Path:
        """Write the file of `deploy/`, with the changes that its first lines ask for."""
        return self.write(name, changed((DEPLOY / name).read_text(), changes))


def changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


def nginx(place: Place) -> list[str]:
    site = place.deployed(
        "nginx.conf", **{
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{place.port};",
            **{f"    {line}\n": "" for line in NGINX_TLS},
            "    server 127.0.0.1:8000 fail_timeout=2s;\n": "".join(
                f"    server 127.0.0.1:{port} fail_timeout=2s;\n"
                for port in (place.upstream, *place.others)
            ),
            "/var/log/nginx/rtapp.log": str(place.folder / "access.log"),
        },
    )  # fmt: skip
    temporary = "\n".join(
        f"{kind}_temp_path {place.folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = place.write(
        "main.conf",
        f"daemon off; worker_processes 1; pid {place.folder}/pid; error_log stderr;\n"
        # Debian's own file has `gzip on` too, for text/html.
        f"events {{}}\nhttp {{ {temporary}\ngzip on;\ninclude {site}; }}\n",
    )
    return ["nginx", "-e", "stderr", "-p", str(place.folder), "-c", str(main)]


def haproxy(place: Place) -> list[str]:
    away = place.deployed("away.http")
    config = place.deployed(
        "haproxy.cfg", **{
            "bind :80": f"bind 127.0.0.1:{place.port}",
            "127.0.0.1:8000": f"127.0.0.1:{place.upstream}",
            "/etc/haproxy/away.http": str(away),
        },
    )  # fmt: skip
    return ["haproxy", "-db", "-f", str(config)]


def caddy(place: Place) -> list[str]:
    return _caddy(place, f"http://127.0.0.1:{place.port}")


def caddy_tls(place: Place) -> list[str]:
    """With a certificate of its own authority, and so with HTTP/2."""
    return _caddy(place, f"https://localhost:{place.port}")


def _caddy(place: Place, address: str) -> list[str]:
    site = place.deployed(
        "Caddyfile",
        **{
            "{$RTAPP_SITE:example.com} {": f"{address} {{",
            "{$RTAPP_ADDRESS:127.0.0.1:8000}": f"127.0.0.1:{place.upstream}",
        },
    )
    options = (
        "admin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\n"
        f"default_bind 127.0.0.1\ngrace_period 1s\nstorage file_system {place.folder}/storage\n"
    )
    main = place.write("main.Caddyfile", f"{{\n{options}}}\nimport {site}\n")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(main)]


def apache(place: Place) -> list[str]:
    away = place.deployed("away.asis")
    site = place.deployed(
        "apache.conf", **{
            "*:80": f"127.0.0.1:{place.port}",
            "127.0.0.1:8000": f"127.0.0.1:{place.upstream}",
            "/etc/apache2/away.asis": str(away),
            "${APACHE_LOG_DIR}": str(place.folder),
        },
    )  # fmt: skip
    modules = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in APACHE_MODULES
    )
    own = place.folder
    main = place.write(
        "main.conf",
        f"{modules}\nServerName localhost\nListen 127.0.0.1:{place.port}\nPidFile {own}/pid\n"
        f"ErrorLog {own}/error.log\nDefaultRuntimeDir {own}\nMutex file:{own}\n"
        # Debian switches mod_deflate on.
        f"TypesConfig /dev/null\n{APACHE_DEFLATES}\nInclude {site}\n",
    )
    return ["apache2", "-DFOREGROUND", "-f", str(main)]


def varnish(place: Place) -> list[str]:
    vcl = place.deployed("varnish.vcl", **{'"8000"': f'"{place.upstream}"'})
    return varnish_with(place, vcl)


def varnish_with(place: Place, vcl: Path) -> list[str]:
    return [
        "varnishd", "-F", "-j", "none", "-n", str(place.folder / "work"), "-f", str(vcl),
        "-a", f"127.0.0.1:{place.port}", "-s", "malloc,16m", "-p", "thread_pools=1",
        "-T", "none",
    ]  # fmt: skip


def squid(place: Place) -> list[str]:
    helper = place.deployed("squid-wait")
    helper.chmod(0o755)
    config = place.deployed(
        "squid.conf", **{
            "http_port 80": f"http_port 127.0.0.1:{place.port}",
            "8000": str(place.upstream),
            "/etc/squid/squid-wait": str(helper),
        },
    )  # fmt: skip
    return _squid(place, config)


def squid_forward(place: Place) -> list[str]:
    """As the proxy of a company in front of its browsers."""
    text = changed(FORWARD.read_text(), {"http_port 3128": f"http_port 127.0.0.1:{place.port}"})
    return _squid(place, place.write("squid-forward.conf", text))


def _squid(place: Place, config: Path) -> list[str]:
    main = place.write(
        "main.conf",
        f"include {config}\nvisible_hostname localhost\npid_filename {place.folder}/pid\n"
        f"cache_log {place.folder}/cache.log\naccess_log none\ncoredump_dir {place.folder}\n"
        "pinger_enable off\ncache_mem 8 MB\nshutdown_lifetime 0 seconds\n"
        "netdb_filename none\n",
    )
    return ["squid", "--foreground", "-n", f"rtapp{place.port}", "-f", str(main)]


def plain(place: Place) -> Route:
    return Route(f"http://{HERE}:{place.port}", http_from)


def over_http_2(place: Place) -> Route:
    return Route(
        f"https://localhost:{place.port}", lambda a: CurlTransport(a, str(authority(place)))
    )


def authority(place: Place) -> Path:
    """The certificate of Caddy's own authority."""
    return place.folder / "storage/pki/authorities/local/root.crt"


def forwarded(place: Place) -> Route:
    return Route(f"http://{HERE}:{place.upstream}", lambda a: http_from(a, as_forward(place)))


def tunnelled(forward: Place, secure: Place) -> Route:
    """Over HTTPS to Caddy, in a tunnel through a forward proxy."""
    trusted = ssl.create_default_context(cafile=str(authority(secure)))
    return Route(
        f"https://localhost:{secure.port}", lambda a: http_from(a, as_forward(forward), trusted)
    )


def as_forward(place: Place) -> httpx.Proxy:
    return httpx.Proxy(f"http://{HERE}:{place.port}")


class Kind(NamedTuple):
    """A way to use a proxy. `ours`: it is in front of our server, and not of the browsers of a
    company."""

    binary: str  # the command
    make: Callable[[Place], list[str]]  # writes its files and returns its command
    route: Callable[[Place], Route] = plain
    ours: bool = True


KINDS = {
    "nginx": Kind("nginx", nginx),
    "HAProxy": Kind("haproxy", haproxy),
    "Caddy": Kind("caddy", caddy),
    "Caddy, HTTP/2": Kind("caddy", caddy_tls, over_http_2),
    "Apache": Kind("apache2", apache),
    "Varnish": Kind("varnishd", varnish),
    "Squid": Kind("squid", squid),
    "Squid, forward": Kind("squid", squid_forward, forwarded, ours=False),
}
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"


def installed(kind: Kind) -> bool:
    return all(shutil.which(command, path=SYSTEM_PATH) for command in (kind.binary, "curl"))


class Proxy:
    """A proxy that runs, as a user without rights."""

    def __init__(self, name: str, kind: Kind, folder: Path, upstream: int, *others: int):
        self.name, self.ours = name, kind.ours
        self.place = Place(folder, free_port(), upstream, others)
        self.route = kind.route(self.place)
        folder.mkdir(mode=0o755)
        ensure_prefix_permissions(folder)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        self._command = kind.make(self.place)
        self._log = folder / "output.log"

    def start(self) -> None:
        rights: dict[str, Any] = UNPRIVILEGED if os.geteuid() == 0 else {}
        environment = {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.place.folder),
            "TMPDIR": str(self.place.folder),
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.place.folder, env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **rights,
            )  # fmt: skip
        eventually(self._listens, f"{self.name} listens", observed=self._output)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _output(self) -> str:
        return self._log.read_text(errors="replace")

    def _listens(self) -> bool:
        assert self._process.poll() is None, self._output()
        with socket.socket() as probe:
            return probe.connect_ex((HERE, self.place.port)) == 0
