from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy import update

from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Notification
from rtapp.models import User

MAX_IDS = 1000  # ids in one event, which keeps it below the catalogue's SIZE_LIMIT


def read_notification(user: User, notification: Notification) -> None:
    """Mark a notification as read. Publishes nothing if it is read already."""
    mark(user, notification.account_id, [notification.id])
    db.session.commit()


def read_all_notifications(user: User, account_id: int) -> None:
    """Mark all of the user's notifications in an account as read."""
    unread = select(Notification.id).where(
        Notification.user_id == user.id,
        Notification.account_id == account_id,
        Notification.read.is_(False),
    )
    ids = db.session.scalars(unread).all()
    for start in range(0, len(ids), MAX_IDS):
        mark(user, account_id, ids[start : start + MAX_IDS])
    db.session.commit()


def mark(user: User, account_id: int, ids: Sequence[int]) -> None:
    changed = db.session.scalars(
        update(Notification)
        .where(Notification.id.in_(ids), Notification.read.is_(False))
        .values(read=True)
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    ).all()
    if changed:
        announce.notifications_read(user.id, account_id, sorted(changed))
