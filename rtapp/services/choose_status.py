from flask import current_app

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.realtime import presence
from rtapp.realtime.engine import Engine


def choose_status(membership: Membership, status: str) -> None:
    """Has the user be seen as `status` (online, busy or offline) in the account, now and later.

    Committed before anybody is told; told to nobody if it is what it was.
    """
    if membership.status != status:
        membership.status = status
        control.recheck(membership.user_id)  # open streams would renew what they were opened as
        db.session.commit()
    engine: Engine = current_app.extensions["engine"]
    change = presence.choice(membership.user_id, status)
    engine.announce(membership.account_id, presence.GROUP, change)
