"""The server that takes our mails, as a URL: `smtp://user:password@host:587`, `smtps://…`."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from urllib.parse import parse_qsl
from urllib.parse import unquote
from urllib.parse import urlsplit

Tls = Literal["starttls", "tls", "none"]

PORTS = {"smtp": 587, "smtps": 465}  # RFC 8314, sections 3.3 and 7.3
EXAMPLE = "smtp://user:password@mail.example.com:587"


@dataclass(frozen=True, slots=True)
class MailServer:
    """`tls`: from the start, from STARTTLS on (RFC 3207), or never. `user`: "" without."""

    host: str
    port: int
    tls: Tls
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def parsed(text: str) -> MailServer:
    """Raises ValueError, whose text does not have the URL: it has a password in it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("can't be read") from error
    if parts.scheme not in PORTS:
        raise ValueError("does not begin with smtp:// or smtps://")
    if not parts.hostname or not parts.hostname.isprintable() or port == 0:
        raise ValueError("names no server")
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError(
            "has something behind the server; special characters of the password must be "
            "percent-encoded"
        )
    if parts.password and not parts.username:
        raise ValueError("has a password without a user")
    return MailServer(
        parts.hostname,
        port or PORTS[parts.scheme],
        tls_of(parts.scheme, parts.query),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def tls_of(scheme: str, query: str) -> Tls:
    """Without `starttls=off`, a server that offers no TLS gets no mail: links are secrets, and
    somebody in between could take the offer away."""
    options = parse_qsl(query, keep_blank_values=True)
    if scheme == "smtps" and not options:
        return "tls"
    if scheme == "smtp" and options in ([], [("starttls", "on")]):
        return "starttls"
    if scheme == "smtp" and options == [("starttls", "off")]:
        return "none"
    raise ValueError("may have only ?starttls=on or ?starttls=off, and smtps:// neither")


class Closing(smtplib.SMTP):
    """smtplib leaves the socket open where the greeting is waited for and a limit ends that."""

    def connect(self, *args: Any, **more: Any) -> tuple[int, bytes]:
        try:
            return super().connect(*args, **more)
        except BaseException:
            self.close()
            raise


class ClosingTls(Closing, smtplib.SMTP_SSL):
    pass


@contextmanager
def session(server: MailServer, own_name: str, limit: float) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted and signed in as `server` has it, for the block. `own_name`:
    this host's, for EHLO. `limit`: s for each wait. Raises OSError and SMTPException."""
    context = ssl.create_default_context()
    connection = connected(server, own_name, limit, context)
    try:
        if server.tls == "starttls":
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password)
        yield connection
    finally:
        connection.close()


def connected(
    server: MailServer, own_name: str, limit: float, context: ssl.SSLContext
) -> smtplib.SMTP:
    if server.tls == "tls":
        return ClosingTls(
            server.host, server.port, local_hostname=own_name, timeout=limit, context=context
        )
    return Closing(server.host, server.port, local_hostname=own_name, timeout=limit)
