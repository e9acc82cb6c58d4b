"""The mails: plain text, in which the link stands on a line of its own."""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from rtapp import clock
from rtapp.models import Invitation
from rtapp.models import PasswordLink
from rtapp.text import INVISIBLE
from rtapp.text import MOMENT_FORMAT
from rtapp.text import isolated

ATOM = r"[^\s\"(),.:;<>@\[\\\]]+"
LOCAL_PART = re.compile(rf"{ATOM}(\.{ATOM})*")  # Dot-string (RFC 5321, section 4.1.2)
DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


def invitation_mail(link: Invitation, mailbox: Address, url: str, sender: Address) -> EmailMessage:
    account = one_line(link.account.name)
    by = one_line(link.created_by.name) if link.created_by is not None else None
    invites = f"{isolated(by)} invites you" if by is not None else "you are invited"
    mail = composed(
        f"Hello,\n\n{invites} to the support inbox of {isolated(account)}. Open this link to join:",
        url,
        link,
        "If you did not expect this, you need not do anything.",
    )
    mail["Subject"] = f"Invitation to {account}"
    return addressed(mail, link, mailbox, sender)


def password_link_mail(
    link: PasswordLink, mailbox: Address, url: str, sender: Address
) -> EmailMessage:
    mail = composed(
        f"Hello {isolated(one_line(link.user.name))},\n\nwith this link you set a new password:",
        url,
        link,
        "If you did not ask for it, you need not do anything: your password stays as it is.",
    )
    mail["Subject"] = "A new password for your support inbox"
    return addressed(mail, link, mailbox, sender)


def composed(greeting: str, url: str, link: Invitation | PasswordLink, ending: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    until = f"{link.expires_at:{MOMENT_FORMAT}}"
    mail.set_content(f"{greeting}\n\n{url}\n\nIt works once, until {until}. {ending}\n")
    return mail


def addressed(
    mail: EmailMessage, link: Invitation | PasswordLink, mailbox: Address, sender: Address
) -> EmailMessage:
    """With the headers of every mail. Each attempt has the same Message-ID, by which a mail that
    arrives twice is known."""
    mail["From"] = sender
    mail["To"] = mailbox
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = f"<{link.digest[:32]}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: no automatic answer
    return mail


def mailbox_of(email: str) -> Address:
    """The address with its domain in ASCII (RFC 5890). Raises ValueError for what is no mailbox, or
    several. Other letters before the @ need a server with SMTPUTF8 (RFC 6531)."""
    local, _, domain = email.rpartition("@")
    domain = domain if domain.isascii() else domain.encode("idna").decode()
    if not LOCAL_PART.fullmatch(local) or not DOMAIN.fullmatch(domain):
        raise ValueError("it is no mailbox")
    return Address(username=local, domain=domain)


def one_line(name: str) -> str:
    """A name without what ends a header's line, or what nobody sees."""
    return INVISIBLE.sub(" ", name).strip()
