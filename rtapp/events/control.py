"""Telling every process that someone's rights have changed, once the change is committed.

What is told is only that there is something to look at again: each hub then asks `access`. A lost
message is made up for by the hubs' sweep.
"""

import logging

from flask import current_app
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.orm import Session

from rtapp.extensions import db
from rtapp.realtime.broker import Broker

logger = logging.getLogger(__name__)


def recheck(user_id: int) -> None:
    """Has all open streams of the user authorised again after the present transaction's commit."""
    db.session.info.setdefault("recheck", set()).add(user_id)


def recheck_thread(conversation_id: int) -> None:
    """Likewise everyone's streams of a conversation: who looks at it is seen on other lists now."""
    db.session.info.setdefault("recheck", set()).add(f"conversation:{conversation_id}")


@event.listens_for(db.session, "after_commit")
def tell(session: Session) -> None:
    broker: Broker = current_app.extensions["broker"]
    for whose in session.info.pop("recheck", ()):
        try:
            broker.recheck(whose)
        except (RedisError, OSError) as error:
            logger.warning("Streams of %s are re-checked by the sweep: %s", whose, error)


@event.listens_for(db.session, "after_rollback")
def forget(session: Session) -> None:
    session.info.pop("recheck", None)
