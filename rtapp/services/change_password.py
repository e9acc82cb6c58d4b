from sqlalchemy import delete

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Token
from rtapp.models import User
from rtapp.models import UserSession


def change_password(user: User, password: str) -> None:
    """Set the password, and end the user's sessions, tokens and open streams."""
    user.set_password(password)
    db.session.execute(delete(UserSession).where(UserSession.user_id == user.id))
    db.session.execute(delete(Token).where(Token.user_id == user.id))
    control.recheck(user.id)
    db.session.commit()
