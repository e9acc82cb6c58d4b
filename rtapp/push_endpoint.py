"""The endpoint of a push subscription: a URL that a client chose, to which this server connects.

It must lead to a push service on the public internet, by HTTPS at its usual port. The operator's
own push services (PUSH_ENDPOINT_HOSTS) may be anywhere, and without TLS.
"""

import ipaddress
import re
import socket
import ssl
from collections.abc import Collection
from functools import cache
from http.client import HTTPConnection
from urllib.parse import SplitResult
from urllib.parse import urlsplit

from gevent import monkey
from gevent.threadpool import ThreadPool

ENDPOINT_LIMIT = 2000  # characters
LOOK_UPS = 4  # host names looked up at once
USUAL_PORTS = {"https": 443, "http": 80}

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# A look-up can't be interrupted. In the hub's own threads, slow ones would hold up the sign-in.
look_up = monkey.get_original("socket", "getaddrinfo")


class RefusedEndpoint(Exception):
    """The endpoint is none to which this server connects. The text does not have it: the URL of a
    subscription is a secret (RFC 8030, section 8.3)."""


def split(endpoint: str) -> SplitResult:
    """The parts of the URL. Raises RefusedEndpoint for text that is none, or is no endpoint's."""
    if len(endpoint) > ENDPOINT_LIMIT:
        raise RefusedEndpoint(f"must not have more than {ENDPOINT_LIMIT} characters")
    if not re.fullmatch(r"https?://[!-~]+", endpoint):
        raise RefusedEndpoint("must be an HTTPS URL in ASCII")
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError as error:
        raise RefusedEndpoint("must be a URL with a host") from error
    if not parts.hostname or parts.username is not None or parts.fragment or "\\" in endpoint:
        raise RefusedEndpoint("must be a URL with a host, without a user and a fragment")
    return parts


def refuse_endpoint(endpoint: str, own_hosts: Collection[str]) -> None:
    """Raises RefusedEndpoint for a URL that is no push service's, as far as it shows. `own_hosts`:
    the operator's, as `host:port`, or `host` at the usual port of HTTP or HTTPS."""
    parts = split(endpoint)
    if parts.netloc.lower() in own_hosts:
        return
    if parts.scheme != "https" or parts.port not in (None, USUAL_PORTS["https"]):
        raise RefusedEndpoint("must be an HTTPS URL at port 443")
    assert parts.hostname is not None
    if is_address(parts.hostname) or "." not in parts.hostname.strip("."):
        raise RefusedEndpoint("must have the name of a host of the public internet")


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: IpAddress) -> bool:
    """Whether the address is of the public internet (IANA's special-purpose registries), and so is
    an IPv4 address to which it is translated on the way."""
    if isinstance(address, ipaddress.IPv6Address):
        translated = translated_address(address)
        if translated is not None and not is_public(translated):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def translated_address(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped (RFC 4291), 6to4 (RFC 3056), Teredo (RFC 4380) or
    NAT64 (RFC 6052)."""
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo is not None else None
    return address.ipv4_mapped or address.sixtofour or teredo


@cache
def threads() -> ThreadPool:
    return ThreadPool(LOOK_UPS)


@cache
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def connect(endpoint: str, own_hosts: Collection[str], timeout: float) -> HTTPConnection:
    """A connection to the push service: to the very address that was checked, because another
    look-up could have another answer. No proxy is asked, and no redirect followed.

    `timeout`: s of each wait. Raises RefusedEndpoint, and OSError if it can't be reached.
    """
    refuse_endpoint(endpoint, own_hosts)
    parts = split(endpoint)
    host = parts.hostname
    assert host is not None
    port = parts.port or USUAL_PORTS[parts.scheme]
    addresses = addresses_of(host, port)
    if parts.netloc.lower() not in own_hosts:
        for address in addresses:
            if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise RefusedEndpoint("leads to an address that is not public")
    connection = HTTPConnection(host, port, timeout=timeout)
    connection.default_port = USUAL_PORTS[parts.scheme]  # which the header Host leaves out
    connection.auto_open = 0  # it would look the name up again
    opened = first_that_answers(addresses, port, timeout)
    try:
        if parts.scheme == "https":
            opened = tls().wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise
    connection.sock = opened
    return connection


def addresses_of(host: str, port: int) -> list[str]:
    """Raises OSError if there is none."""
    found = threads().apply(looked_up, (host, port))
    if isinstance(found, OSError):
        raise found
    return list(dict.fromkeys(found))


def looked_up(host: str, port: int) -> list[str] | OSError:
    """The error is returned: of a thread, gevent prints what is raised."""
    try:
        found = look_up(host, port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a label that is too long can't be encoded
        return error if isinstance(error, OSError) else OSError("its host is no name")
    return [str(entry[4][0]) for entry in found]


def first_that_answers(addresses: list[str], port: int, timeout: float) -> socket.socket:
    problem = OSError("its host has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            problem = error
    raise problem
