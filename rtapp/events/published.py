"""What has left the outbox, by the record in `accounts`: it outlives Redis."""

from collections.abc import Collection
from contextlib import nullcontext
from typing import Any

from flask import Flask
from flask import has_app_context
from sqlalchemy import bindparam
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.diagnosis import NoRecord

PUBLISHED = (Account.published_epoch, Account.published_ms, Account.published_n)
NEWEST = select(Account.id, *PUBLISHED).where(Account.id.in_(bindparam("ids", expanding=True)))


def position(row: Any) -> Cursor:
    """The cursor in an account's `published_…` columns."""
    return Cursor(str(row.published_epoch), row.published_ms, row.published_n)


def newest_published(app: Flask, account_ids: Collection[int]) -> dict[int, Cursor]:
    """For each of these accounts that exists, a cursor at least as new as every event that has left
    the outbox. Raises NoRecord when the database is unavailable.
    """
    # A request uses its own connection: waiting for a second one, requests could deadlock.
    context = nullcontext() if has_app_context() else app.app_context()
    try:
        with context:
            rows = db.session.execute(NEWEST, {"ids": list(account_ids)})
            return {row.id: position(row) for row in rows}
    except SQLAlchemyError as error:
        raise NoRecord("The database does not say what was published") from error
