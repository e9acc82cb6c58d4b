from rtapp.errors import NotFound
from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.models import User

from .last_administrator import refuse_last_administrator
from .release_conversations import lock_member
from .release_conversations import release_conversations
from .row_lock import unlock


def change_membership(
    membership: Membership, *, role: str, sees: str, by: User | None = None
) -> None:
    """Set a member's `role` (administrator or agent) and what an agent `sees` (inbox or assigned).

    The user's clients fetch the state again. Their streams of what they no longer see are closed,
    and what of it was assigned to them is unassigned. Raises Unprocessable if it is the account's
    last administrator, NotFound if they were removed meanwhile.
    """
    user_id, account_id = membership.user_id, membership.account_id
    locked = lock_member(user_id, account_id)
    if locked is None:
        unlock()
        raise NotFound
    if (locked.role, locked.sees) == (role, sees):
        unlock()
        return
    if role != "administrator" and locked.role == "administrator":
        refuse_last_administrator(account_id, user_id, field="role")
    locked.role, locked.sees = role, sees
    db.session.flush()
    release_conversations(db.session.get_one(User, user_id), account_id, by)
    announce.state_lost(user_id, account_id)
    control.recheck(user_id)
    db.session.commit()
