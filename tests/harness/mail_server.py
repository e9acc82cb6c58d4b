"""A real mail server (aiosmtpd) as a process of its own, which keeps what it receives.

It refuses some recipients by the part before the @: see smtp_process.py.
"""

import email
import email.policy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from typing import NamedTuple

from .smtp_process import PASSWORD
from .smtp_process import USER
from .waiting import PATIENCE
from .waiting import eventually

__all__ = ["PASSWORD", "USER", "MailServer", "Received", "mail_server"]

PROGRAM = Path(__file__).with_name("smtp_process.py")


class Received(NamedTuple):
    recipients: list[str]
    mail: EmailMessage

    @property
    def text(self) -> str:
        return str(self.mail.get_content()).replace("\r\n", "\n")


class MailServer:
    """A context manager's value: the server as its clients have it."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port

    def url(self, scheme: str = "smtp", credentials: str = "", options: str = "") -> str:
        return f"{scheme}://{credentials}localhost:{self.port}{options}"

    def forget(self) -> None:
        """Forget what it has received."""
        (self.folder / "received").unlink(missing_ok=True)

    def received(self) -> list[Received]:
        """What it has received, in that order."""
        found = []
        path = self.folder / "received"
        for line in path.read_text().splitlines() if path.exists() else ():
            kept: Any = json.loads(line)
            mail = email.message_from_bytes(
                bytes.fromhex(kept["mail"]), policy=email.policy.default
            )
            assert isinstance(mail, EmailMessage)
            found.append(Received(kept["recipients"], mail))
        return found


@contextmanager
def mail_server(folder: Path, mode: str = "plain", port: int = 0) -> Iterator[MailServer]:
    """`mode`: plain, starttls, tls (from the start), or auth (with USER and PASSWORD, over
    STARTTLS). The certificate is in the folder, as `certificate.pem`."""
    folder.mkdir(exist_ok=True)
    if mode != "plain":
        make_certificate(folder)
    announced = folder / "port"
    announced.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, PROGRAM, str(folder), mode, str(port)], stdin=subprocess.DEVNULL
    )  # fmt: skip
    try:
        eventually(announced.exists, "the mail server listens")
        yield MailServer(folder, int(announced.read_text()))
    finally:
        process.kill()
        process.wait(PATIENCE)


def make_certificate(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    from rtapp import clock

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
