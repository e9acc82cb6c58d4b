from sqlalchemy.exc import IntegrityError

from rtapp.extensions import db
from rtapp.models import User


def create_user(name: str, email: str, password: str) -> User | None:
    """Make a user without an account. None if there is one with this address.

    Raises ValueError for a name or an address that the models refuse.
    """
    user = User(name=name, email=email)
    user.set_password(password)
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return None
    return user
