from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Membership


def change_membership(membership: Membership, *, role: str, sees: str) -> None:
    """Sets what a member is (administrator or agent), and which conversations an agent sees (inbox
    or assigned). Their clients fetch anew; their streams of what they lost end."""
    if (membership.role, membership.sees) == (role, sees):
        return
    membership.role, membership.sees = role, sees
    announce.state_lost(membership.user_id, membership.account_id)
    control.recheck(membership.user_id)
    db.session.commit()
