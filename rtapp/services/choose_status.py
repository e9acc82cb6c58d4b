from flask import current_app

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.realtime import presence
from rtapp.realtime.engine import Engine


def choose_status(membership: Membership, status: str) -> None:
    """Set the user's presence status (online, busy or offline) in the account, and publish it.

    It is committed before it is published. An unchanged status is not published.
    """
    if membership.status != status:
        membership.status = status
        control.recheck(membership.user_id)  # open streams would renew their lease's old status
        db.session.commit()
    engine: Engine = current_app.extensions["engine"]
    change = presence.choice(membership.user_id, status)
    engine.announce(membership.account_id, presence.GROUP, change)
