"""What a request is for: its method, its target and its host (RFC 9112, section 3)."""

import re
from collections.abc import Sequence

ABSOLUTE = re.compile(r"https?://([^/?#@\s]+)([/?][^#\s]*)?", re.IGNORECASE)
ORIGIN = re.compile(r"/[^#\s]*")
SERVER = "*"  # the server as a whole, for OPTIONS
# A name, an IPv4 address or an IPv6 address, each with or without a port; or nothing (RFC 9110,
# section 7.2; RFC 3986, section 3.2.2).
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")


class InvalidTarget(ValueError):
    """The request does not say what it is for in a form of RFC 9112."""


def split(method: str, target: str) -> tuple[str | None, str]:
    """Return a target's host, if it is in absolute form, and its path with the query.

    Raises InvalidTarget for any other than the origin form, the absolute form of HTTP, and `*` of
    OPTIONS. CONNECT is for proxies.
    """
    if target == SERVER and method == "OPTIONS":
        return None, SERVER
    if ORIGIN.fullmatch(target):
        return None, target
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None or not HOST.fullmatch(absolute[1]):
        raise InvalidTarget
    path = absolute[2] or ""
    if not path and method == "OPTIONS":
        return absolute[1], SERVER  # section 3.2.4
    return absolute[1], path if path.startswith("/") else f"/{path}"


def refuse_uncertain_host(version: str, hosts: Sequence[str]) -> None:
    """Raises InvalidTarget for two Host headers, none in HTTP/1.1, or one that is no host."""
    if len(hosts) > 1 or (not hosts and version != "HTTP/1.0"):
        raise InvalidTarget
    if not all(HOST.fullmatch(host.strip(" \t")) for host in hosts):
        raise InvalidTarget
