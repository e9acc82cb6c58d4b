"""The client's address, as far as it is known: for limits and for the log."""

import ipaddress
from ipaddress import IPv4Address
from ipaddress import IPv6Address
from typing import Any

from flask import request

UNKNOWN = "-"  # of a client of a unix socket without a proxy's header
PREFIX = {4: 32, 6: 64}  # bits that one client does not choose (RFC 6177, section 2)


def client(environ: dict[str, Any] | None = None) -> str:
    """The address that the request comes from, without a port, or UNKNOWN.

    With RTAPP_PROXIES it is the one that the outermost of them wrote into X-Forwarded-For. If that
    is no address, it is the innermost proxy's own: a client could send another text each time.
    """
    found = sender(request.environ if environ is None else environ)
    return str(found) if found is not None else UNKNOWN


def network() -> str:
    """What the request's client has: its address, of IPv6 its /64; or UNKNOWN."""
    found = sender(request.environ)
    if found is None:
        return UNKNOWN
    return str(ipaddress.ip_network((found, PREFIX[found.version]), strict=False))


def sender(environ: dict[str, Any]) -> IPv4Address | IPv6Address | None:
    before = environ.get("werkzeug.proxy_fix.orig") or {}
    texts = (environ.get("REMOTE_ADDR"), before.get("REMOTE_ADDR"))
    return next((found for text in texts if (found := parsed(text or "")) is not None), None)


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address with or without a port, as some proxies write it (RFC 7239, section 6). None for
    any other text. IPv4 within IPv6 is IPv4, as a socket for both families has it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])  # `%`: a link's name
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
