"""Origins of websites as browsers send and compare them (RFC 6454, section 6.2).

A host must be one that `frame-ancestors` can name: no IP address but 127.0.0.1 matches there (CSP
Level 3, section 6.7.2.8), and no underscore is in its grammar.
"""

import re

import idna

ORIGIN_LIMIT = 300  # characters of one, as it is written
USUAL_PORTS = {"https": 443, "http": 80}
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"{LABEL}(\.{LABEL})*")
HOST_LIMIT = 253  # characters (RFC 1035, section 2.3.4, without the root's)
NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")  # a last label that makes the host an IPv4 address
LOCAL_ADDRESS = "127.0.0.1"


def origin(text: str) -> str:
    """The origin in its one form: small letters, ASCII, without the scheme's usual port. A slash
    at its end is dropped.

    Raises ValueError, with the end of a sentence about the text, for anything else than HTTPS, a
    host and a port; this machine may have HTTP.
    """
    text = text.strip()
    if len(text) > ORIGIN_LIMIT:
        raise ValueError(f"has more than {ORIGIN_LIMIT} characters")
    if text.lower() == "null":
        raise ValueError("is the origin of files and sandboxed frames, not of a website")
    if "*" in text:
        raise ValueError("has a wildcard: list each origin on a line of its own")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in USUAL_PORTS:
        raise ValueError("must begin with https://")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if rest[len(authority) :] not in ("", "/"):
        raise ValueError("has more than a host and a port: leave out what follows them")
    if "@" in authority:
        raise ValueError("has a user before the host: leave it out")
    name, colon, digits = authority.partition(":")
    host = host_of(name)
    if scheme == "http" and not is_local(host):
        raise ValueError("must begin with https://; only localhost may have http://")
    port = port_of(digits) if colon else USUAL_PORTS[scheme]
    return f"{scheme}://{host}" if port == USUAL_PORTS[scheme] else f"{scheme}://{host}:{port}"


def host_of(name: str) -> str:
    """The host's name in ASCII, as browsers map it (UTS #46). Raises ValueError if it is none."""
    try:
        host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except UnicodeError as error:
        raise ValueError("must have the name of a host that browsers accept") from error
    last = host.rpartition(".")[2]
    if name.startswith("[") or (NUMBER.fullmatch(last) and host != LOCAL_ADDRESS):
        raise ValueError(
            "must have a host's name: browsers let no page with another address embed the chat"
        )
    if len(host) > HOST_LIMIT or not HOST.fullmatch(host):
        raise ValueError("must have the name of a host that browsers accept")
    return host


def port_of(digits: str) -> int:
    port = int(digits) if re.fullmatch("[0-9]{1,5}", digits) else 0
    if not 1 <= port <= 65535:
        raise ValueError("must have a port from 1 to 65535, or none")
    return port


def is_local(host: str) -> bool:
    """Whether browsers trust the host without TLS, as it is this machine (Secure Contexts, section
    3.1)."""
    return host in ("localhost", LOCAL_ADDRESS) or host.endswith(".localhost")
