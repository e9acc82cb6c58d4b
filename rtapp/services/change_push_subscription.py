from sqlalchemy import delete
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rtapp.config import PUSH_SUBSCRIPTIONS_PER_USER
from rtapp.errors import Unauthorized
from rtapp.extensions import db
from rtapp.models import PushSubscription
from rtapp.models import UserSession


def set_push_subscription(session_id: str, endpoint: str, p256dh: str, auth: str) -> None:
    """Make this the subscription of the session, in place of the one that it has.

    A browser has one endpoint, so a subscription of another session with the same one is of a user
    who was signed in there before: it ends. So do the user's oldest ones over the limit. Raises
    Unauthorized if the session has ended meanwhile.
    """
    row = {"session_id": session_id, "endpoint": endpoint, "p256dh": p256dh, "auth": auth}
    try:
        replace(row)
    except IntegrityError:  # the same at the same time, from another tab; or no such session
        db.session.rollback()
        try:
            replace(row)
        except IntegrityError as error:
            db.session.rollback()
            raise Unauthorized("This session has ended; sign in again.") from error


def replace(row: dict[str, str]) -> None:
    own = PushSubscription.session_id == row["session_id"]
    there = PushSubscription.endpoint == row["endpoint"]
    db.session.execute(delete(PushSubscription).where(or_(own, there)))
    db.session.add(PushSubscription(**row))
    db.session.flush()
    end_oldest(row["session_id"])
    db.session.commit()


def end_oldest(session_id: str) -> None:
    user = select(UserSession.user_id).where(UserSession.id == session_id).scalar_subquery()
    newest = (
        select(PushSubscription.session_id)
        .join(UserSession, UserSession.id == PushSubscription.session_id)
        .where(UserSession.user_id == user)
        .order_by(PushSubscription.created_at.desc(), PushSubscription.session_id)
        .offset(PUSH_SUBSCRIPTIONS_PER_USER)
    )
    over = list(db.session.scalars(newest))
    if over:
        db.session.execute(delete(PushSubscription).where(PushSubscription.session_id.in_(over)))


def delete_push_subscription(session_id: str) -> None:
    """End the session's subscription, if it has one."""
    db.session.execute(delete(PushSubscription).where(PushSubscription.session_id == session_id))
    db.session.commit()
