"""Mails that are due: rows of the transaction of their link, sent after its commit.

rtapp/mail/ sends them. Where no mail is sent, there is no row.
"""

from flask import current_app

from rtapp import clock
from rtapp.errors import Forbidden
from rtapp.extensions import db
from rtapp.models import Invitation
from rtapp.models import Mail
from rtapp.models import PasswordLink

from .link import LinkToken


def sends_mail() -> bool:
    return bool(current_app.config["SENDS_MAIL"])


def mail_link(link: Invitation | PasswordLink, token: LinkToken) -> None:
    """Have the link mailed to its address. Part of the caller's transaction, in which the link is
    new."""
    if sends_mail():
        now = clock.now()
        mail = Mail(nonce=token.nonce, created_at=now, due_at=now)
        if isinstance(link, Invitation):
            mail.invitation_id = link.id
        else:
            mail.password_link_id = link.id
        link.mail = "waiting"
        db.session.add(mail)


def ask_for_password_link(email: str) -> None:
    """Have a password link mailed to this address, if it has a user.

    Whether it has one is found out as the mail is sent: the same is done here for every address,
    in the same time. Raises Forbidden where no mail is sent.
    """
    if not sends_mail():
        raise Forbidden("This server sends no mail. Ask an administrator of your team for a link.")
    now = clock.now()
    db.session.add(Mail(email=email, created_at=now, due_at=now))
    db.session.commit()
