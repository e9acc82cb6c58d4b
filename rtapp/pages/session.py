"""The user's own sessions: where they are signed in, and the page on which they end some."""

from typing import Annotated
from typing import Any

from flask import Blueprint
from flask import jsonify
from flask import session
from flask import url_for
from pydantic import Field
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import clock
from rtapp import validation
from rtapp.answers import done
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.models import oldest_session
from rtapp.services.end_sessions import end_other_sessions
from rtapp.services.end_sessions import end_session
from rtapp.validation import Body
from rtapp.validation import Text

from .management import NoFields
from .management import own_cursor
from .management import settings_page

bp = Blueprint("session", __name__)


class WhichSession(Body):
    """`session`: the id of one of the list."""

    session: Annotated[Text, Field(min_length=1, max_length=64)]


@bp.get("/settings/sessions")
def several() -> Response | str:
    """The user's own sessions, the last used first, as a page or as JSON."""
    user = auth.signed_in()
    if not wants_html():
        return jsonify(sessions=sessions_of(user))
    cursor = own_cursor(user)
    sessions = sessions_of(user)
    return settings_page("manage/sessions.html", user, None, cursor=cursor, sessions=sessions)


@bp.post("/settings/sessions/end")
def end() -> Response:
    """End one of the user's own sessions, and its streams."""
    user = auth.signed_in()
    end_session(access.session_for(user, validation.body(WhichSession).session))
    return done(url_for("session.several"))


@bp.post("/settings/sessions/end_others")
def end_others() -> Response:
    """End all of the user's own sessions but this one. A token, which has none, ends all."""
    user = auth.signed_in()
    validation.body(NoFields)
    end_other_sessions(user.id, session.get("sid"))
    return done(url_for("session.several"))


def sessions_of(user: User) -> list[dict[str, Any]]:
    last_use = func.coalesce(UserSession.last_used_at, UserSession.created_at)
    query = (
        select(UserSession)
        .where(UserSession.user_id == user.id, UserSession.created_at > oldest_session(clock.now()))
        .order_by(last_use.desc(), UserSession.id)
    )
    own = session.get("sid")
    return [presenters.session(row, is_current=row.id == own) for row in db.session.scalars(query)]
