"""An account's canned replies. No event has them: pages fetch the list when it is first needed, and
the page on which they are changed when `settings.changed` names them."""

from sqlalchemy import select

from rtapp import clock
from rtapp.config import CANNED_REPLIES_PER_ACCOUNT
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import CannedReply
from rtapp.models import Membership

from .account_rows import change_row
from .account_rows import delete_row
from .account_rows import refuse_more
from .account_rows import unique


def create_canned_reply(account_id: int, shortcut: str, content: str) -> CannedReply:
    """Raises Unprocessable if the account has a reply with this shortcut, or
    CANNED_REPLIES_PER_ACCOUNT."""
    most = CANNED_REPLIES_PER_ACCOUNT
    refuse_more(CannedReply, account_id, most, noun="canned replies", field="shortcut")
    reply = CannedReply(account_id=account_id, shortcut=shortcut, content=content)
    with unique("shortcut", "canned reply"):
        db.session.add(reply)
        db.session.flush()
    publish(account_id)
    return reply


def change_canned_reply(reply: CannedReply, shortcut: str, content: str) -> None:
    """Set the shortcut and the content.

    Raises Unprocessable if another reply of the account has this shortcut, NotFound if the reply
    was deleted meanwhile.
    """
    with unique("shortcut", "canned reply"):
        change_row(reply, shortcut=shortcut, content=content, updated_at=clock.now())
    publish(reply.account_id)


def delete_canned_reply(reply: CannedReply) -> None:
    """Raises NotFound if it was deleted meanwhile."""
    delete_row(reply)
    publish(reply.account_id)


def publish(account_id: int) -> None:
    """To all members."""
    members = select(Membership.user_id).where(Membership.account_id == account_id)
    announce.settings_changed(account_id, "canned_replies", db.session.scalars(members).all())
    db.session.commit()
