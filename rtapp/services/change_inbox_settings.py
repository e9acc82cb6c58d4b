from rtapp.extensions import db
from rtapp.models import Inbox

from .account_rows import change_row


def change_inbox_settings(inbox: Inbox, *, auto_assign: bool, assignment_cap: int | None) -> None:
    """Set whether the inbox assigns automatically, and its cap (None: no limit). No event has them.

    It concerns conversations that become open from then on. Raises NotFound if the inbox was
    deleted meanwhile.
    """
    change_row(inbox, auto_assign=auto_assign, assignment_cap=assignment_cap)
    db.session.commit()
