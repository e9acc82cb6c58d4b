"""Rows that an account's members make, change and delete by hand, such as labels: at most so many,
with one field that is unique in the account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Membership


def reset_members(account_id: int) -> None:
    """Have the pages of all members fetched again. Part of the caller's transaction."""
    members = select(Membership.user_id).where(Membership.account_id == account_id)
    announce.account_state_lost(db.session.scalars(members), account_id)


def refuse_more(model: Any, account_id: int, most: int, *, noun: str, field: str) -> None:
    """Raises Unprocessable if the account has `most` rows. `noun`: of several of them."""
    count = select(func.count()).where(model.account_id == account_id)
    if (db.session.scalar(count) or 0) >= most:
        raise Unprocessable(
            f"An account has at most {most} {noun}; delete one first.",
            errors={field: [f"would be one more than {most}"]},
        )


@contextmanager
def unique(field: str, noun: str) -> Iterator[None]:
    """Raises Unprocessable for a `field` that another row of the account has. `noun`: of a row."""
    try:
        yield
    except IntegrityError as error:
        db.session.rollback()
        raise Unprocessable(
            f"Another {noun} of the account has this {field}. Choose another one.",
            errors={field: [f"is the {field} of another {noun}"]},
        ) from error


def change_row(row: Any, **values: Any) -> None:
    """Raises NotFound if the row was deleted meanwhile. Part of the caller's transaction."""
    model = type(row)
    statement = update(model).where(model.id == row.id).values(values).returning(model.id)
    if db.session.scalar(statement.execution_options(synchronize_session=False)) is None:
        raise NotFound
    db.session.refresh(row)


def delete_row(row: Any) -> None:
    """Raises NotFound if the row was deleted meanwhile. Part of the caller's transaction."""
    model = type(row)
    statement = delete(model).where(model.id == row.id).returning(model.id)
    if db.session.scalar(statement.execution_options(synchronize_session=False)) is None:
        raise NotFound
