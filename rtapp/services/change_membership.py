from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Membership


def change_membership(membership: Membership, *, role: str, sees: str) -> None:
    """Set a member's `role` (administrator or agent) and what an agent `sees` (inbox or assigned).

    The user's clients fetch the state again. Their streams of what they no longer see are closed.
    """
    if (membership.role, membership.sees) == (role, sees):
        return
    membership.role, membership.sees = role, sees
    announce.state_lost(membership.user_id, membership.account_id)
    control.recheck(membership.user_id)
    db.session.commit()
