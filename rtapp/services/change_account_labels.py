"""An account's labels. Each change has the pages of all members fetched again: it may show in each
of their rows, and there is no event for each of these."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp.config import LABELS_PER_ACCOUNT
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Label
from rtapp.models import Membership
from rtapp.text import folded


def create_label(account_id: int, title: str, colour: int) -> Label:
    """Raises Unprocessable if the account has a label with this title, or LABELS_PER_ACCOUNT."""
    count = select(func.count()).where(Label.account_id == account_id)
    if (db.session.scalar(count) or 0) >= LABELS_PER_ACCOUNT:
        raise Unprocessable(
            f"An account has at most {LABELS_PER_ACCOUNT} labels; delete one first.",
            errors={"title": [f"would be the label after the last of {LABELS_PER_ACCOUNT}"]},
        )
    label = Label(account_id=account_id, title=title, colour=colour)
    with unique_titles():
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
    values = {"title": title, "folded": folded(title), "colour": colour}
    with unique_titles():
        changed = db.session.scalar(
            update(Label)
            .where(Label.id == label.id)
            .values(values)
            .returning(Label.id)
            .execution_options(synchronize_session=False)
        )
    if changed is None:
        raise NotFound
    db.session.refresh(label)
    publish(label.account_id)


def delete_label(label: Label) -> None:
    """Delete the label, and take it off its conversations. No activity records that.

    Raises NotFound if it was deleted meanwhile.
    """
    deleted = db.session.scalar(
        delete(Label)
        .where(Label.id == label.id)
        .returning(Label.id)
        .execution_options(synchronize_session=False)
    )
    if deleted is None:
        raise NotFound
    publish(label.account_id)


@contextmanager
def unique_titles() -> Iterator[None]:
    """Raises Unprocessable for a title that another label of the account has."""
    try:
        yield
    except IntegrityError as error:
        db.session.rollback()
        raise Unprocessable(
            "Another label of the account has this title. Choose another one.",
            errors={"title": ["is the title of another label"]},
        ) from error


def publish(account_id: int) -> None:
    members = select(Membership.user_id).where(Membership.account_id == account_id)
    announce.account_state_lost(db.session.scalars(members), account_id)
    db.session.commit()
