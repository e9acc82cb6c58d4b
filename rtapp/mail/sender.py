"""Sends the mails that are due. Each process does; each row is sent by one.

A process claims a row by putting it off for LEASE: if it dies meanwhile, another one sends the row
then. So a mail is sent at least once; a second one has the same Message-ID. What the server does
not take is tried again for as long as the link lives, and ATTEMPTS times at most; then the link's
row says why.
"""

import logging
from datetime import datetime
from datetime import timedelta
from email.message import EmailMessage
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Flask
from gevent.pool import Pool
from prometheus_client import Counter
from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import not_
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import Invitation
from rtapp.models import Mail
from rtapp.models import PasswordLink
from rtapp.models import User
from rtapp.models import digest_of
from rtapp.realtime.backoff import CauseLimit
from rtapp.services.change_password_links import add_password_link
from rtapp.services.claim_due import claim_due
from rtapp.services.link import is_open
from rtapp.services.link import publish_change
from rtapp.services.link import token_of
from rtapp.services.link import url_with

from .content import invitation_mail
from .content import mailbox_of
from .content import password_link_mail
from .delivery import Outcome
from .delivery import deliver

LEASE = timedelta(seconds=60)  # longer than a delivery takes
CONCURRENCY = 5  # connections of a process at once
ATTEMPTS = 6  # over 2 h 50 min: a password link lives for 4 hours
RETRY_DELAY = timedelta(seconds=30)  # before the second attempt, and four times as long each time
ASKED_AT_ONCE = 3  # mailed open links of a user that no administrator made: they are there already

# The condition on `PasswordLink` under which its mail was tried, and will be again.
DELAYED = and_(PasswordLink.mail == "waiting", PasswordLink.mail_error.is_not(None))

MAILS = Counter("rtapp_mails", "Mails, by what became of them.", ["result"])

logger = logging.getLogger(__name__)


class Sending(NamedTuple):
    """A claimed mail as it is sent."""

    recipient: str
    mail: EmailMessage


class NotSendable(Exception):
    """A mail that no attempt could send. The text is for the link's row."""


class Sender:
    """One per process. Without a mail server it does nothing."""

    def __init__(self, app: Flask, settings: Settings):
        self._app = app
        self._settings = settings
        self._pool = Pool(CONCURRENCY)
        self._causes = CauseLimit()

    def send_due(self) -> int:
        """Begin to send what is due, as far as there is room. Returns the number of rows that are
        no longer due. Call it in an application context."""
        room = self._pool.free_count()
        if self._settings.mail_server is None or not room:
            return 0
        now = clock.now()
        query = select(Mail.id).where(Mail.due_at <= now).order_by(Mail.due_at, Mail.id)
        claimed = claim_due(Mail, list(db.session.scalars(query.limit(room))), now, LEASE)
        db.session.rollback()
        for id in claimed:
            self._pool.spawn(self._send, id)
        return len(claimed)

    def join(self) -> None:
        """Wait until what has begun is sent."""
        self._pool.join()

    def _send(self, id: int) -> None:
        try:
            with self._app.app_context():
                settle(id, self._outcome(id))
        except Exception as error:  # the row is due again after LEASE
            if self._causes.admits(repr(type(error))):
                logger.error("A mail can't be sent: %s", type(error).__name__)

    def _outcome(self, id: int) -> Outcome | None:
        """None if there is nothing to send."""
        try:
            sending = self._prepared(id)
        except NotSendable as error:
            return Outcome("refused", str(error))
        finally:
            db.session.rollback()  # no transaction is open while the server is waited for
        return self._deliver(sending) if sending is not None else None

    def _prepared(self, id: int) -> Sending | None:
        link, nonce = link_of(id)
        if link is None or link.state(clock.now()) != "open":
            return None
        token = token_of(nonce)
        if digest_of(token) != link.digest:
            raise NotSendable("SECRET_KEY has changed since: make a new one")
        assert self._settings.url is not None
        assert self._settings.mail_from is not None
        url = url_with(self._settings.url, type(link), token)
        try:
            if isinstance(link, Invitation):
                mailbox = mailbox_of(link.email or "")
                mail = invitation_mail(link, mailbox, url, self._settings.mail_from)
            else:
                mailbox = mailbox_of(link.user.email)
                mail = password_link_mail(link, mailbox, url, self._settings.mail_from)
        except ValueError as error:
            raise NotSendable("no mail can be sent to such an address") from error
        return Sending(mailbox.addr_spec, mail)

    def _deliver(self, sending: Sending) -> Outcome:
        server, sender = self._settings.mail_server, self._settings.mail_from
        assert server is not None
        assert sender is not None
        own_name = urlsplit(self._settings.url or "").hostname or "localhost"
        outcome = deliver(server, sending.mail, sender.addr_spec, sending.recipient, own_name)
        if outcome.why and self._causes.admits(outcome.why):
            logger.warning("The mail server %s %s (%s)", server.host, outcome.why, outcome.result)
        return outcome._replace(why=f"the mail server {outcome.why}")


def link_of(id: int) -> tuple[Invitation | PasswordLink | None, str]:
    """The mail's link with its nonce. One that was asked for is made now, in a transaction."""
    mail = db.session.get(Mail, id)
    if mail is None:
        return None, ""
    if mail.email is not None:
        answer_request(mail, mail.email)
    return mail.invitation or mail.password_link, mail.nonce or ""


def answer_request(mail: Mail, email: str) -> None:
    """Make the link that was asked for, if the address has a user, and make the mail its own."""
    user = db.session.scalar(select(User).where(User.email == email, User.disabled_at.is_(None)))
    if user is None or open_requests(user) >= ASKED_AT_ONCE:
        return
    give_up_delayed(user)
    link, token = add_password_link(user.id, by=None)
    link.mail = "waiting"
    mail.email, mail.password_link, mail.nonce = None, link, token.nonce
    db.session.commit()


def open_requests(user: User) -> int:
    """The number of open links that are mailed, or about to be: not of those that can't be."""
    mailed = and_(PasswordLink.mail.in_(["sent", "waiting"]), not_(DELAYED))
    return db.session.scalar(select(func.count()).where(asked_for(user), mailed)) or 0


def give_up_delayed(user: User) -> None:
    """Delete the mails that the server has not taken yet: the new one takes their place, so that
    they do not all come once it does."""
    delayed = select(PasswordLink.id).where(asked_for(user), DELAYED)
    ids = db.session.scalars(delayed).all()
    db.session.execute(delete(Mail).where(Mail.password_link_id.in_(ids)))
    db.session.execute(
        update(PasswordLink)
        .where(PasswordLink.id.in_(ids))
        .values(mail="failed")
        .execution_options(synchronize_session=False)
    )


def asked_for(user: User) -> ColumnElement[bool]:
    return and_(
        PasswordLink.user_id == user.id,
        PasswordLink.created_by_id.is_(None),
        is_open(PasswordLink, clock.now()),
    )


def settle(id: int, outcome: Outcome | None) -> None:
    """Delete the row, unless it is to be tried again, and note at the link what became of it, in
    one transaction."""
    mail = db.session.get(Mail, id)
    if mail is None:
        return
    link = mail.invitation or mail.password_link
    now = clock.now()
    again = next_attempt(mail, now)
    if outcome is None or link is None:
        result = "unneeded"
    elif outcome.result == "sent":
        result = "sent"
    elif outcome.result == "later" and mail.attempts < ATTEMPTS and again < link.expires_at:
        result = "retried"
    else:
        result = "refused" if outcome.result == "refused" else "given_up"
    if result == "retried":
        mail.due_at = again
    else:
        db.session.execute(delete(Mail).where(Mail.id == id))
    if link is not None:
        note(link, result, outcome)
        publish_change(link)
    db.session.commit()
    MAILS.labels(result).inc()


def next_attempt(mail: Mail, now: datetime) -> datetime:
    delay: timedelta = RETRY_DELAY * 4 ** (mail.attempts - 1)
    return now + delay


def note(link: Invitation | PasswordLink, result: str, outcome: Outcome | None) -> None:
    link.mail = {"unneeded": None, "sent": "sent", "retried": "waiting"}.get(result, "failed")
    link.mail_error = None
    if outcome is not None and outcome.why and result != "sent":
        answer = f": {outcome.answer}" if outcome.answer else ""
        link.mail_error = f"{outcome.why}{answer}"[:300]
