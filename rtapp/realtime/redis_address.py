"""Where Redis is: REDIS_URL, read and checked.

    redis://user:password@host:6379/0                    one server
    unix:///run/redis/redis.sock                         one server of this machine
    redis+cluster://user:password@host:6379,host:6380    a cluster, some of its nodes
    redis+sentinel://user:password@host:26379,host/name  the master that Sentinel calls `name`

`rediss` in the place of `redis` is TLS, to Sentinel as well. The user and the password are those of
Redis; Sentinel's are `sentinel_username` and `sentinel_password` in the query. What else the query
may have is in OPTIONS, by redis-py's names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import NoReturn
from typing import get_args
from urllib.parse import SplitResult
from urllib.parse import parse_qsl
from urllib.parse import unquote

Kind = Literal["server", "cluster", "sentinel"]

EXAMPLE = "redis://:password@host:6379/0"
PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?")
SCHEME = re.compile(r"(redis|rediss)(?:\+(cluster|sentinel))?|unix")
NODE = re.compile(
    r"(?P<host>[A-Za-z0-9._%-]+|\[[0-9A-Fa-f:.]+(?:%25[\w.-]+)?\])(?::(?P<port>\d{1,5}))?"
)
SERVICE = re.compile(r"[A-Za-z0-9._-]{1,100}")  # a name of `sentinel monitor`
PORT, SENTINEL_PORT = 6379, 26379
NODES_LIMIT = 100
DATABASES = 1_000_000  # more than any server is set up for

YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TLS = (*FILES, "ssl_ca_path", "ssl_password", "ssl_check_hostname", "ssl_cert_reqs")
OPTIONS = ("db", "username", "password", "client_name", *TLS, "sentinel_username",
           "sentinel_password")  # fmt: skip
VERIFIED = ("required", "optional", "none")  # what ssl_cert_reqs may be


@dataclass(frozen=True)
class RedisAddress:
    """`nodes` are (host, port): of the server, of nodes of the cluster, or of Sentinels; none for
    a unix socket, which is at `path`. `service`: the master's name for Sentinel. `tls`: redis-py's
    options of its SSLConnection, None without TLS."""

    kind: Kind
    nodes: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    client_name: str | None = None
    tls: dict[str, Any] | None = field(default=None, repr=False)  # it may have a key's password

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """Raises ValueError: a sentence that names REDIS_URL and what to write, and quotes nothing
        that may be a part of a password."""
        parts = split(url)
        scheme = SCHEME.fullmatch(parts.scheme)
        if scheme is None:
            refuse(
                f"can't be read; it must be a URL such as {EXAMPLE}, rediss://… (TLS), "
                "unix:///path, redis+cluster://host:port,host:port or "
                "redis+sentinel://host:port,host:port/name"
            )
        options = options_of(parts.query)
        secure, kind = scheme[1] == "rediss", scheme[2] or "server"
        assert kind in get_args(Kind)
        username, password, hosts = credentials(parts.netloc)
        if kind != "server" and parts.netloc.count("@") > 1:
            refuse("has more than one @; all nodes have one password, in which @ is written %40")
        address = cls(
            kind=kind,  # type: ignore[arg-type]
            username=options.pop("username", username),
            password=options.pop("password", password),
            client_name=options.pop("client_name", None),
            **place(parts, kind, hosts, options.pop("db", None)),
            sentinel_username=options.pop("sentinel_username", None),
            sentinel_password=options.pop("sentinel_password", None),
            tls=tls(options) if secure else None,
        )
        if not secure and (foreign := [name for name in TLS if name in options]):
            refuse(f"sets {foreign[0]}, which is of TLS: write rediss in the place of redis")
        if kind != "sentinel" and (address.sentinel_username or address.sentinel_password):
            refuse("sets a password of Sentinel, but its scheme is not redis+sentinel")
        return address

    def __str__(self) -> str:
        """For operators: without user, password and files."""
        nodes = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                          for host, port in self.nodes)  # fmt: skip
        return {
            "server": self.path or nodes,
            "cluster": f"the cluster at {nodes}",
            "sentinel": f"Sentinel's {self.service} at {nodes}",
        }[self.kind]

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the option and the path of each file that connecting reads."""
        for name in FILES:
            if self.tls and name in self.tls:
                yield name, self.tls[name]


def refuse(sentence: str) -> NoReturn:
    raise ValueError(f"REDIS_URL {sentence}.") from None


def unreadable() -> NoReturn:
    refuse(
        f"can't be read; it must be a URL such as {EXAMPLE}, in which special characters of the "
        "password are percent-encoded"
    )


def split(url: str) -> SplitResult:
    """The parts of the URL (RFC 3986, appendix B). In some versions, urlsplit refuses an address
    of IPv6 among others."""
    parts = PARTS.fullmatch(url)
    if parts is None or re.search(r"[\x00-\x1f\x7f]|^ | $", url):
        unreadable()
    scheme, netloc, path, query = parts.groups("")
    return SplitResult(scheme.lower(), netloc, path, query, "")


def credentials(netloc: str) -> tuple[str | None, str | None, str]:
    """The user, the password, and the rest: the hosts."""
    userinfo, _, hosts = netloc.rpartition("@")
    if re.search(r"[\[\]]", userinfo):
        unreadable()
    username, _, password = userinfo.partition(":")
    return unquote(username) or None, unquote(password) or None, hosts


def place(parts: SplitResult, kind: str, hosts: str, database: str | None) -> dict[str, Any]:
    """The fields that name the server and its database."""
    path = unquote(parts.path)
    if parts.scheme == "unix":
        if hosts or not path.strip("/"):
            refuse("names no socket; write unix:///path, with three slashes")
        return {"path": path, "database": number(database or "0")}
    if kind == "server" and "," in hosts:
        refuse(
            "names several servers; write redis+cluster://… for the nodes of a cluster, or "
            "redis+sentinel://…/name for Sentinels"
        )
    nodes = tuple(node(text, kind) for text in hosts.split(",")) if hosts else ()
    if not nodes and kind == "server":
        nodes = (("localhost", PORT),)
    if not 0 < len(nodes) <= NODES_LIMIT:
        refuse(f"must name 1 to {NODES_LIMIT} nodes, as in redis+{kind}://host:port,host:port")
    place: dict[str, Any] = {"nodes": tuple(dict.fromkeys(nodes))}
    path = path.removeprefix("/").removesuffix("/")
    if kind == "sentinel":
        place["service"], _, path = path.partition("/")
        if not SERVICE.fullmatch(place["service"]):
            refuse(
                "names no master; write its name of `sentinel monitor` at the end, as in "
                "redis+sentinel://host:port,host:port/mymaster"
            )
    place["database"] = number(database or path or "0")
    if kind == "cluster" and place["database"]:
        refuse("names a database; a cluster has none but 0")
    return place


def node(text: str, kind: str) -> tuple[str, int]:
    match = NODE.fullmatch(text)
    if match is None:
        unreadable()
    port = int(match["port"] or (SENTINEL_PORT if kind == "sentinel" else PORT))
    host = unquote(match["host"].strip("[]"))
    if not 0 < port < 65536 or not host.strip(".") or re.search(r"[\x00-\x20/,@]", host):
        unreadable()
    return host, port


def number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        refuse("names no database: that is a number, at the end of its path")
    return int(text)


def options_of(query: str) -> dict[str, str]:
    """The options of the query, each once. Raises ValueError for one that is not known."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=None):
        if "@" in name:  # the question mark is one of the password
            unreadable()
        if name not in OPTIONS:
            known = f"they are {', '.join(OPTIONS)}"
            refuse(f"has an option that rtapp does not know; {known}")
        if name in found:
            refuse(f"sets {name} twice")
        if not value or "\0" in value:
            refuse(f"sets {name} to nothing")
        found[name] = value
    return found


def tls(options: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: options[name] for name in TLS if name in options}
    checked = found.get("ssl_check_hostname", "true").lower()
    if checked not in YES_OR_NO:
        refuse("sets ssl_check_hostname to neither true nor false")
    if found.get("ssl_cert_reqs", "required") not in VERIFIED:
        refuse(f"sets ssl_cert_reqs to none of {', '.join(VERIFIED)}")
    if ("ssl_certfile" in found) != ("ssl_keyfile" in found):
        refuse("must set ssl_certfile and ssl_keyfile together")
    return {**found, "ssl_check_hostname": YES_OR_NO[checked]}
