from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Inbox

from .account_rows import change_row
from .account_rows import reset_members
from .create_inbox import refuse_taken
from .last_administrator import lock_account


def change_inbox_settings(
    inbox: Inbox, *, auto_assign: bool, assignment_cap: int | None, name: str | None = None
) -> None:
    """Set whether the inbox assigns automatically, its cap (None: no limit), and its name (None: as
    it is).

    Assignment concerns conversations that become open from then on. Raises NotFound if the inbox
    was deleted meanwhile, Unprocessable if another one has the name.
    """
    account_id, new_name = inbox.account_id, name or inbox.name
    lock_account(account_id)
    renamed = new_name != inbox.name
    if renamed:
        refuse_taken(account_id, new_name, inbox.id)
    change_row(inbox, name=new_name, auto_assign=auto_assign, assignment_cap=assignment_cap)
    if renamed:
        reset_members(account_id)  # their pages list the inboxes
    announce.settings_changed(account_id, "inboxes")
    db.session.commit()


def rename_inbox(inbox: Inbox, name: str) -> None:
    """Set the name alone. Raises as `change_inbox_settings`."""
    change_inbox_settings(
        inbox, auto_assign=inbox.auto_assign, assignment_cap=inbox.assignment_cap, name=name
    )
