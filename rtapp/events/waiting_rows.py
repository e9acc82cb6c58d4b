"""The statements by which relays read the outbox, share it, and take out what is published.

A statement has one round trip on PostgreSQL and holds no lock longer than itself, so that a relay
that is stopped in the middle keeps nothing from the others. Lists are passed as arrays: the text of
a statement, which the server has prepared, does not depend on their length.
"""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import ARRAY
from sqlalchemy import BigInteger
from sqlalchemy import ColumnElement
from sqlalchemy import Connection
from sqlalchemy import Integer
from sqlalchemy import Row
from sqlalchemy import Select
from sqlalchemy import and_
from sqlalchemy import any_
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import not_
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import tuple_
from sqlalchemy import update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import OutboxClaim
from rtapp.models import OutboxEvent
from rtapp.realtime.cursor import Cursor

from .published import PUBLISHED

CLAIM_MS = 3_000  # for which a relay has an account's backlog; a batch takes some tens
LAST_ID = 2**63 - 1
TURNS = 1  # the class of the advisory locks of accounts that are settled
EVERYTHING = 0  # the claim of SQLite, whose writers take turns anyway: one relay at a time


ROWS = OutboxEvent.__table__

# The accounts with waiting events, each found by one step in the index.
ACCOUNTS = text("""
    WITH RECURSIVE waiting (account_id) AS (
        SELECT min(account_id) FROM outbox_events
        WHERE set_aside_at IS NULL AND account_id > :after
        UNION ALL
        SELECT (
            SELECT min(account_id) FROM outbox_events
            WHERE set_aside_at IS NULL AND account_id > waiting.account_id
        )
        FROM waiting WHERE waiting.account_id IS NOT NULL
    )
    SELECT account_id FROM waiting WHERE account_id IS NOT NULL LIMIT :most
""")
# Several relays may advance one account, in any order and on two servers by mistake: neither the
# epoch nor the entry ever goes back, and each publication moves one of them.
OLDER_EPOCH = Account.published_epoch < bindparam("epoch")
OLDER_ENTRY = tuple_(Account.published_ms, Account.published_n) < tuple_(
    bindparam("ms"), bindparam("n")
)
ADVANCE = (
    update(Account.__table__)
    .where(Account.id == bindparam("account_id"), or_(OLDER_EPOCH, OLDER_ENTRY))
    .values(
        published_epoch=case((OLDER_EPOCH, bindparam("epoch")), else_=Account.published_epoch),
        published_ms=case((OLDER_ENTRY, bindparam("ms")), else_=Account.published_ms),
        published_n=case((OLDER_ENTRY, bindparam("n")), else_=Account.published_n),
    )
)
DELETE = delete(ROWS).where(ROWS.c.id.in_(bindparam("published", expanding=True)))
# Both at once. So that relays don't deadlock, they take turns at an account, in the order of ids,
# before they lock a row. A lock of the account's row would not do: the update then comes to the
# row's older version, of its snapshot, at which another relay may wait for the newer one.
SETTLE = text("""
    WITH newest AS (
        SELECT * FROM unnest(
            CAST(:accounts AS integer[]), CAST(:epochs AS bigint[]),
            CAST(:mss AS bigint[]), CAST(:ns AS bigint[])
        ) AS newest (id, epoch, ms, n)
    ), turn AS (
        SELECT pg_advisory_xact_lock(:turns, id) FROM (SELECT id FROM newest ORDER BY id) AS ids
    ), advanced AS (
        UPDATE accounts SET
            published_epoch = greatest(published_epoch, epoch),
            published_ms = CASE WHEN (published_ms, published_n) < (ms, n) THEN ms
                ELSE published_ms END,
            published_n = CASE WHEN (published_ms, published_n) < (ms, n) THEN n
                ELSE published_n END
        FROM newest
        WHERE accounts.id = newest.id AND (SELECT count(*) FROM turn) >= 0
            AND (published_epoch < epoch OR (published_ms, published_n) < (ms, n))
    )
    DELETE FROM outbox_events
    WHERE id = ANY(CAST(:published AS bigint[])) AND (SELECT count(*) FROM turn) >= 0
""").bindparams(bindparam("turns", TURNS, Integer))


class ClockMs(GenericFunction[int]):
    """The database's own clock in Unix milliseconds: those of hosts may differ."""

    type = BigInteger()
    name = "clock_ms"
    inherit_cache = True


@compiles(ClockMs, "postgresql")
def postgresql_clock(element: ClockMs, compiler: SQLCompiler, **more: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"


@compiles(ClockMs, "sqlite")
def sqlite_clock(element: ClockMs, compiler: SQLCompiler, **more: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


def on_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"


def alone() -> AbstractContextManager[Connection]:
    """A connection on which each statement of PostgreSQL is a transaction of its own."""
    if on_postgresql():
        return db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    return db.engine.begin()


# Reading


def first_rows(postgresql: bool) -> Select[Any]:
    """The first `each` rows of each of `accounts` that wait and are not `published` yet, in their
    order, with the account's record of what was published."""

    def among(column: Any, name: str, type: type[BigInteger | Integer]) -> ColumnElement[bool]:
        found: ColumnElement[bool] = (
            column == any_(bindparam(name, type_=ARRAY(type)))
            if postgresql
            else column.in_(bindparam(name, expanding=True))
        )
        return found

    def waits(rows: Any) -> ColumnElement[bool]:
        return and_(
            rows.c.account_id == Account.id,
            rows.c.set_aside_at.is_(None),
            not_(among(rows.c.id, "published", BigInteger)),
        )

    counted = ROWS.alias("counted")
    last = select(counted.c.id).where(waits(counted)).order_by(counted.c.id).limit(1)
    last = last.offset(bindparam("each", type_=Integer) - 1).correlate(Account)
    return (
        select(ROWS, *PUBLISHED)
        .join_from(Account, ROWS, waits(ROWS))
        .where(among(Account.id, "accounts", Integer))
        .where(ROWS.c.id <= func.coalesce(last.scalar_subquery(), LAST_ID))
        .order_by(ROWS.c.account_id, ROWS.c.id)
    )


READ = {True: first_rows(postgresql=True), False: first_rows(postgresql=False)}


def read(account_ids: Collection[int], published: Collection[int], each: int) -> Sequence[Row[Any]]:
    """The first `each` waiting rows of each account, sorted by account and id, but those that are
    `published` already."""
    asked = {"accounts": list(account_ids), "published": list(published), "each": each}
    with alone() as connection:
        return connection.execute(READ[on_postgresql()], asked).all()


def accounts_waiting(after: int, most: int) -> list[int]:
    """The first `most` accounts of a higher id than `after` that have waiting events."""
    with alone() as connection:
        return list(connection.execute(ACCOUNTS, {"after": after, "most": most}).scalars())


# Sharing


def claim(holder: str, account_ids: Collection[int]) -> set[int]:
    """Those of these accounts whose backlog `holder`, a lane of a relay, may publish now.

    It has them for CLAIM_MS or until `release`. This saves work and is no lock: what two relays
    publish is published once, in order, because of its key.
    """
    keys = sorted(account_ids) if on_postgresql() else [EVERYTHING]
    insert = postgresql.insert if on_postgresql() else sqlite.insert
    until = ClockMs() + CLAIM_MS
    statement = insert(OutboxClaim).values(
        [{"account_id": key, "holder": holder, "until_ms": until} for key in keys]
    )
    free = or_(OutboxClaim.holder == holder, OutboxClaim.until_ms <= ClockMs())
    statement = statement.on_conflict_do_update(
        index_elements=[OutboxClaim.account_id],
        set_={"holder": holder, "until_ms": statement.excluded.until_ms},
        where=free,
    )
    with alone() as connection:
        claimed = set(connection.execute(statement.returning(OutboxClaim.account_id)).scalars())
    return set(account_ids) if EVERYTHING in claimed else claimed


RELEASE = (
    update(OutboxClaim.__table__)
    .where(OutboxClaim.holder == bindparam("holder_"), OutboxClaim.until_ms > 0)
    .values(until_ms=0)
)


def release(holder: str) -> None:
    """Give back all that `holder` has claimed."""
    with alone() as connection:
        connection.execute(RELEASE, {"holder_": holder})


# Taking out


def settle(published: Collection[int], newest: Mapping[int, Cursor]) -> None:
    """Delete the published rows, and record the `newest` event of each of their accounts."""
    marks = sorted((id, int(c.epoch), c.ms, c.n) for id, c in newest.items())
    with alone() as connection:
        if on_postgresql():
            accounts, epochs, mss, ns = map(list, zip(*marks, strict=True))
            given = {"accounts": accounts, "epochs": epochs, "mss": mss, "ns": ns}
            connection.execute(SETTLE, given | {"published": list(published)})
        else:
            for mark in marks:
                names = ("account_id", "epoch", "ms", "n")
                connection.execute(ADVANCE, dict(zip(names, mark, strict=True)))
            connection.execute(DELETE, {"published": list(published)})
