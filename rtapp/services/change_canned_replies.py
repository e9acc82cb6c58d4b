"""An account's canned replies. No event has them: pages fetch the list when it is first needed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp import clock
from rtapp.config import CANNED_REPLIES_PER_ACCOUNT
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import CannedReply


def create_canned_reply(account_id: int, shortcut: str, content: str) -> CannedReply:
    """Raises Unprocessable if the account has a reply with this shortcut, or
    CANNED_REPLIES_PER_ACCOUNT."""
    most = CANNED_REPLIES_PER_ACCOUNT
    count = select(func.count()).where(CannedReply.account_id == account_id)
    if (db.session.scalar(count) or 0) >= most:
        raise Unprocessable(
            f"An account has at most {most} canned replies; delete one first.",
            errors={"shortcut": [f"would be the shortcut after the last of {most}"]},
        )
    reply = CannedReply(account_id=account_id, shortcut=shortcut, content=content)
    with unique_shortcuts():
        db.session.add(reply)
        db.session.commit()
    return reply


def change_canned_reply(reply: CannedReply, shortcut: str, content: str) -> None:
    """Set the shortcut and the content.

    Raises Unprocessable if another reply of the account has this shortcut, NotFound if the reply
    was deleted meanwhile.
    """
    values = {"shortcut": shortcut, "content": content, "updated_at": clock.now()}
    with unique_shortcuts():
        changed = db.session.scalar(
            update(CannedReply)
            .where(CannedReply.id == reply.id)
            .values(values)
            .returning(CannedReply.id)
            .execution_options(synchronize_session=False)
        )
    if changed is None:
        raise NotFound
    db.session.refresh(reply)
    db.session.commit()


def delete_canned_reply(reply: CannedReply) -> None:
    """Raises NotFound if it was deleted meanwhile."""
    deleted = db.session.scalar(
        delete(CannedReply)
        .where(CannedReply.id == reply.id)
        .returning(CannedReply.id)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if deleted is None:
        raise NotFound


@contextmanager
def unique_shortcuts() -> Iterator[None]:
    """Raises Unprocessable for a shortcut that another reply of the account has."""
    try:
        yield
    except IntegrityError as error:
        db.session.rollback()
        raise Unprocessable(
            "Another canned reply of the account has this shortcut. Choose another one.",
            errors={"shortcut": ["is the shortcut of another reply"]},
        ) from error
