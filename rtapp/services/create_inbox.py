from sqlalchemy import select

from rtapp.config import INBOXES_PER_ACCOUNT
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.text import caseless

from .account_rows import refuse_more
from .account_rows import reset_members
from .last_administrator import lock_account
from .row_lock import unlock


def create_inbox(account_id: int, name: str) -> Inbox:
    """Make an inbox without members: administrators see it, agents once they are added.

    Raises Unprocessable if the account has an inbox with this name, or INBOXES_PER_ACCOUNT.
    """
    lock_account(account_id)
    refuse_more(Inbox, account_id, INBOXES_PER_ACCOUNT, noun="inboxes", field="name")
    refuse_taken(account_id, name)
    inbox = Inbox(account_id=account_id, name=name)
    db.session.add(inbox)
    db.session.flush()
    reset_members(account_id)  # their pages list the inboxes
    db.session.commit()
    return inbox


def refuse_taken(account_id: int, name: str, inbox_id: int | None = None) -> None:
    """Raises Unprocessable if another inbox of the account than this one has the name. Part of the
    caller's transaction, which has locked the account."""
    others = select(Inbox).where(Inbox.account_id == account_id, Inbox.id != (inbox_id or 0))
    if caseless(name) in {caseless(each.name) for each in db.session.scalars(others)}:
        unlock()
        raise Unprocessable(
            "Another inbox of the account has this name. Choose another one.",
            errors={"name": ["is the name of another inbox"]},
        )
