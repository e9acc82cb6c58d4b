import gevent

from rtapp.events.own_settings import own_settings_changed
from rtapp.extensions import db
from rtapp.models import PasswordLink
from rtapp.models import User
from rtapp.passwords import hashed

from .change_password_links import revoke_password_links
from .end_access import end_access
from .link import use_link


def change_password(user: User, password: str, *, keep: str | None = None) -> None:
    """Set the password, and end the user's sessions, but for the one with the id `keep`, tokens,
    open streams and password links."""
    db.session.commit()  # give the connection back: the hash is slow by design
    # In a thread: it would block every stream of this process.
    user.password_hash = gevent.get_hub().threadpool.apply(hashed, (password,))
    db.session.flush()
    revoke_password_links(user.id)
    end_access(user.id, keep)
    own_settings_changed(user.id, "sessions", "tokens")
    db.session.commit()


def use_password_link(link: PasswordLink, password_hash: str) -> None:
    """Do so with a link, and a hash of the password. Raises Gone if it is not open any more."""
    link.user.password_hash = password_hash
    db.session.flush()  # locks the user's row first, as above: so that two changes do not deadlock
    use_link(link)
    revoke_password_links(link.user_id)
    end_access(link.user_id)
    db.session.commit()
