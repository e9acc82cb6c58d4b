from sqlalchemy import ColumnElement
from sqlalchemy import delete

from rtapp.events import control
from rtapp.events.own_settings import own_settings_changed
from rtapp.extensions import db
from rtapp.models import UserSession


def end_session(session: UserSession) -> None:
    """End the session and its streams."""
    end(session.user_id, UserSession.id == session.id)


def end_other_sessions(user_id: int, kept: str | None) -> None:
    """End the user's sessions and their streams, but for the one with the id `kept`."""
    end(user_id, UserSession.user_id == user_id, UserSession.id != (kept or ""))


def end(user_id: int, *which: ColumnElement[bool]) -> None:
    db.session.execute(delete(UserSession).where(*which))
    control.recheck(user_id)
    own_settings_changed(user_id, "sessions")
    db.session.commit()
