"""Notifies every process of changed access rights, after the commit of the change.

The message names a user or a conversation only: each process then authorises the open streams
again. If a message is lost, the sweep of each process catches up.
"""

import logging

from flask import current_app
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.orm import Session

from rtapp.extensions import db
from rtapp.realtime.broker import Broker
from rtapp.realtime.engine import Engine

logger = logging.getLogger(__name__)


def recheck(user_id: int) -> None:
    """Have all open streams of the user authorised again after the commit of this transaction."""
    db.session.info.setdefault("recheck", set()).add(user_id)


def recheck_thread(conversation_id: int) -> None:
    """Likewise all streams of a conversation: its viewers are published to other lists now."""
    db.session.info.setdefault("recheck", set()).add(f"conversation:{conversation_id}")


@event.listens_for(db.session, "after_commit")
def publish_rechecks(session: Session) -> None:
    subjects = session.info.pop("recheck", None)
    if subjects is None:
        return
    broker: Broker = current_app.extensions["broker"]
    engine: Engine = current_app.extensions["engine"]
    for subject in subjects:
        engine.grants.forget(str(subject))  # for the next request here; the others wait for Redis
        try:
            broker.for_requests.recheck(subject)
        except (RedisError, OSError) as error:
            logger.warning("Streams of %s are re-checked by the sweep: %s", subject, error)


@event.listens_for(db.session, "after_rollback")
def discard_rechecks(session: Session) -> None:
    session.info.pop("recheck", None)
