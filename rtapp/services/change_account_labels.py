"""An account's labels. Each change has the pages of all members fetched again: it may show in each
of their rows, and there is no event for each of these."""

from rtapp.config import LABELS_PER_ACCOUNT
from rtapp.extensions import db
from rtapp.models import Label
from rtapp.text import caseless

from .account_rows import change_row
from .account_rows import delete_row
from .account_rows import refuse_more
from .account_rows import reset_members
from .account_rows import unique


def create_label(account_id: int, title: str, colour: int) -> Label:
    """Raises Unprocessable if the account has a label with this title, or LABELS_PER_ACCOUNT."""
    refuse_more(Label, account_id, LABELS_PER_ACCOUNT, noun="labels", field="title")
    label = Label(account_id=account_id, title=title, colour=colour)
    with unique("title", "label"):
        db.session.add(label)
        db.session.flush()
    publish(account_id)
    return label


def change_label(label: Label, title: str, colour: int) -> None:
    """Set the title and the colour. The same ones publish nothing.

    Raises Unprocessable if another label of the account has this title, NotFound if the label was
    deleted meanwhile.
    """
    if (label.title, label.colour) == (title, colour):
        return
    with unique("title", "label"):
        change_row(label, title=title, folded=caseless(title), colour=colour)
    publish(label.account_id)


def delete_label(label: Label) -> None:
    """Delete the label, and take it off its conversations. No activity records that.

    Raises NotFound if it was deleted meanwhile.
    """
    delete_row(label)
    publish(label.account_id)


def publish(account_id: int) -> None:
    reset_members(account_id)
    db.session.commit()
