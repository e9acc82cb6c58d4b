"""Sends the push notifications that are due. Each process does; each row is sent by one.

A process claims a row by putting it off for LEASE: if it dies meanwhile, another one sends the row
then. So a push is sent at least once; a second one takes the place of the first in the browser.

A row waits while its user has a page open, which alerts them itself; presence outlasts a closed
page for some seconds. What they have read, or no longer see, is not sent.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from flask import Flask
from gevent.pool import Pool
from prometheus_client import Counter
from redis.exceptions import RedisError
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import exists
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import aliased

from rtapp import access
from rtapp import clock
from rtapp import presence
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import Push
from rtapp.models import PushSubscription
from rtapp.models import ReadMarker
from rtapp.models import UserSession
from rtapp.models import oldest_session
from rtapp.models.conversation import SPAM
from rtapp.realtime.backoff import CauseLimit
from rtapp.services.claim_due import claim_due
from rtapp.unread import counts

from . import delivery
from .delivery import Browser
from .delivery import Identity
from .delivery import Outcome
from .delivery import deliver
from .payload import payload
from .payload import tag

TTL = timedelta(days=1)  # after which nobody wants to be notified any more
LEASE = timedelta(seconds=60)  # longer than a delivery takes
CONCURRENCY = 20  # requests of a process at once
ATTEMPTS = 4
RETRY_DELAY = timedelta(seconds=30)  # before the second attempt, and four times as long each time
# A page that lost its network is present for 55 s: the lease of presence, and its grace.
PRESENT_POLL = timedelta(seconds=10)
PRESENT_LIMIT = timedelta(seconds=60)

DUE = (
    select(Push.id, Push.created_at, Conversation.account_id, UserSession.user_id)
    .join(Conversation, Conversation.id == Push.conversation_id)
    .join(UserSession, UserSession.id == Push.session_id)
    .where(Push.due_at <= bindparam("now"))
    .order_by(Push.due_at, Push.id)
    .limit(bindparam("most"))
)

PUSHES = Counter("rtapp_pushes", "Push notifications, by what became of them.", ["result"])

logger = logging.getLogger(__name__)


class Due(NamedTuple):
    id: int
    created_at: datetime
    account_id: int
    user_id: int


class Sending(NamedTuple):
    """A claimed push as it is sent."""

    id: int
    session_id: str
    attempts: int
    expires_at: datetime
    browser: Browser
    topic: str
    payload: bytes


class Sender:
    """One per process. Without a key of VAPID it does nothing."""

    def __init__(self, app: Flask, settings: Settings):
        self._app = app
        self._own_hosts = settings.push_endpoint_hosts
        key = settings.vapid_private_key
        self._identity = Identity(key, settings.vapid_subject) if key is not None else None
        self._pool = Pool(CONCURRENCY)
        self._causes = CauseLimit()

    def load(self) -> None:
        """Make ready to send. Call it before streams are served."""
        if self._identity is not None:
            delivery.load()

    def send_due(self) -> int:
        """Begin to send what is due, as far as there is room. Returns the number of rows that are
        no longer due. Call it in an application context."""
        room = self._pool.free_count()
        if self._identity is None or not room:
            return 0
        now = clock.now()
        rows = due(now, room)
        try:
            present = {id: present_in(id) for id in {row.account_id for row in rows}}
        except (RedisError, OSError):
            return 0  # tried again at the next poll; the engine logs it
        waiting = [row for row in rows if row.user_id in present[row.account_id]]
        put_off(waiting, now)
        claimed = claim([row.id for row in rows if row not in waiting], now)
        for id in claimed:
            self._pool.spawn(self._send, id)
        return len(waiting) + len(claimed)

    def join(self) -> None:
        """Wait until what has begun is sent."""
        self._pool.join()

    def _send(self, id: int) -> None:
        try:
            with self._app.app_context():
                sending = prepared(id)
                db.session.rollback()  # no transaction is open while the push service is waited for
                if sending is None:
                    drop(id, "unneeded")
                else:
                    settle(sending, self._deliver(sending))
        except Exception as error:  # the row is due again after LEASE
            if self._causes.admits(repr(type(error))):
                logger.error("A push notification can't be sent: %s", type(error).__name__)

    def _deliver(self, sending: Sending) -> Outcome:
        assert self._identity is not None
        left = sending.expires_at - clock.now()
        outcome = deliver(
            sending.browser,
            sending.payload,
            self._identity,
            topic=sending.topic,
            ttl=max(0, int(left.total_seconds())),
            own_hosts=self._own_hosts,
        )
        if outcome.why and self._causes.admits(f"{sending.browser.host} {outcome.why}"):
            host, result = sending.browser.host, outcome.result
            logger.warning("The push service %s: %s (%s)", host, outcome.why, result)
        return outcome


def due(now: datetime, most: int) -> list[Due]:
    found = [Due(*row) for row in execute(DUE, {"now": now, "most": most})]
    db.session.rollback()  # no transaction is open while Redis is waited for
    return found


def present_in(account_id: int) -> set[int]:
    """Raises RedisError or OSError while Redis is away."""
    (snapshot,) = presence.present(account_id).snapshots
    return {int(user_id) for user_id in snapshot.present}


def put_off(rows: Iterable[Due], now: datetime) -> None:
    """Have the pushes of users with an open page wait, and drop those that it has alerted of."""
    for row in rows:
        if now - row.created_at > PRESENT_LIMIT:
            drop(row.id, "unneeded")
        else:
            later(row.id, now + PRESENT_POLL)


def claim(ids: list[int], now: datetime) -> list[int]:
    """Put these off for LEASE. Returns those that no other process has claimed meanwhile."""
    return claim_due(Push, ids, now, LEASE)


def prepared(id: int) -> Sending | None:
    """The push as its user may receive it now, or None if there is nothing to send: its session has
    ended, a newer one follows, the message was read or deleted or is in spam, the user no longer
    sees it. It leads to the conversation that has the message now: a merge may have moved it."""
    newer = aliased(Push)
    row = db.session.execute(
        select(Push, PushSubscription, UserSession.user_id)
        .join(PushSubscription, PushSubscription.session_id == Push.session_id)
        .join(UserSession, UserSession.id == Push.session_id)
        .where(
            Push.id == id,
            UserSession.created_at > oldest_session(clock.now()),
            ~exists().where(
                newer.session_id == Push.session_id,
                newer.conversation_id == Push.conversation_id,
                newer.id > Push.id,
            ),
        )
    ).one_or_none()
    if row is None:
        return None
    push, subscription, user_id = row
    conversation_id = push.message.conversation_id
    expires_at = push.created_at + TTL
    is_wanted = not push.message.deleted and clock.now() < expires_at
    if not is_wanted or has_read(user_id, push.message):
        return None
    conversation = db.session.get_one(Conversation, conversation_id)
    if push.kind == "message" and conversation.status == SPAM:
        return None
    if not access.sees_conversation(user_id, conversation_id):
        return None
    unread = counts.of_conversations(user_id, [conversation_id])[conversation_id]
    return Sending(
        push.id,
        push.session_id,
        push.attempts,
        expires_at,
        Browser(subscription.endpoint, subscription.p256dh, subscription.auth),
        tag(conversation_id),
        payload(push.kind, conversation, push.message, user_id, unread),
    )


def has_read(user_id: int, message: Message) -> bool:
    marker = db.session.get(ReadMarker, (user_id, message.conversation_id))
    return marker is not None and marker.message_id >= message.id


def settle(sending: Sending, outcome: Outcome) -> None:
    """Delete the row, unless it is to be tried again. The subscription ends if nothing sent to it
    arrives any more."""
    if outcome.result == "later":
        delay = RETRY_DELAY * 4 ** (sending.attempts - 1)
        now = clock.now()
        again = now + max(delay, timedelta(seconds=min(outcome.retry_after, TTL.total_seconds())))
        if sending.attempts < ATTEMPTS and again < sending.expires_at:
            PUSHES.labels("retried").inc()
            later(sending.id, again)
        else:
            drop(sending.id, "given_up")
        return
    if outcome.result in ("gone", "blocked"):
        end_subscription(sending)
    drop(sending.id, outcome.result)


def end_subscription(sending: Sending) -> None:
    """Unless the browser has another endpoint meanwhile."""
    db.session.execute(
        delete(PushSubscription).where(
            PushSubscription.session_id == sending.session_id,
            PushSubscription.endpoint == sending.browser.endpoint,
        )
    )
    db.session.commit()


def later(id: int, due_at: datetime) -> None:
    change(update(Push).where(Push.id == id).values(due_at=due_at))


def drop(id: int, result: str) -> None:
    change(delete(Push).where(Push.id == id))
    PUSHES.labels(result).inc()


def change(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
    db.session.commit()
