"""Lists and threads of a large account, as requested by each kind of member, on both databases.

100 000 conversations in five inboxes, a million messages, forty agents, and two who see few of
them: one whose only inbox has only old conversations, one with ten assigned conversations. A random
member of its kind reads each view some pages deep. The notes have the query's scans and, for
PostgreSQL, its time in the database alone; the rest of the time is Python's.
"""

import random
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event
from sqlalchemy import select
from sqlalchemy import text

from rtapp import create_app
from rtapp import queries
from rtapp.config import Settings
from rtapp.database import unlimited
from rtapp.extensions import db
from rtapp.folding import folded
from rtapp.models import Conversation
from rtapp.models import Membership

from .databases import DATABASES
from .lab import Lab
from .lab import log_progress
from .measures import percentile

SCENARIO = "lists"
CONVERSATIONS = 100_000
CONVERSATIONS_QUICK = 10_000
MESSAGES_EACH = 10
INBOXES = 5
AGENTS = 40  # half with `sees: inbox`, half with `sees: assigned`
ADMINISTRATOR, QUIET, FEW = AGENTS + 1, AGENTS + 2, AGENTS + 3  # ids of the others
READS = 200  # per view
READS_QUICK = 40
WORDS = "order parcel invoice colour size door lamp chair Monday please thanks"
RARE = "zanzibar"  # in one message of a thousand
START = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class View:
    name: str
    member: str  # one of KINDS
    asked: dict[str, Any]


VIEWS = [
    View("all", "administrator", {}),
    View("open", "administrator", {"status": "open"}),
    View("snoozed (1 in 1000)", "administrator", {"status": "snoozed"}),
    View("unassigned, open", "administrator", {"assignee": "none", "status": "open"}),
    View("one inbox, resolved", "administrator", {"inbox": 2, "status": "resolved"}),
    View("open, oldest first", "administrator", {"status": "open", "sort": "oldest"}),
    View("open, longest waiting", "administrator", {"status": "open", "sort": "waiting"}),
    View("search, frequent word", "administrator", {"q": "parcel"}),
    View("search, rare word", "administrator", {"q": RARE}),
    View("search, no such word", "administrator", {"q": "xyzzy"}),
    View("all", "inbox", {}),
    View("open", "inbox", {"status": "open"}),
    View("mine", "inbox", {"assignee": "me"}),
    View("mine, open", "inbox", {"assignee": "me", "status": "open"}),
    View("mine, longest waiting", "inbox", {"assignee": "me", "sort": "waiting"}),
    View("unassigned, open", "inbox", {"assignee": "none", "status": "open"}),
    View("search, rare word", "inbox", {"q": RARE}),
    View("all", "assigned", {}),
    View("open", "assigned", {"status": "open"}),
    View("search, no such word", "assigned", {"q": "xyzzy"}),
    View("all", "agent of a quiet inbox", {}),
    View("open", "agent of a quiet inbox", {"status": "open"}),
    View("all", "assigned very few", {}),
    View("open", "assigned very few", {"status": "open"}),
]
DEEP = 3  # pages read one after the other


def run(lab: Lab) -> None:
    count = CONVERSATIONS_QUICK if lab.quick else CONVERSATIONS
    for database in DATABASES:
        with database() as url:
            kind = url.partition(":")[0].partition("+")[0]
            log_progress(f"{count} conversations in {kind}")
            app = populated(lab, url, count)
            for view in VIEWS:
                read(lab, app, kind, view)
            read_threads(lab, app, kind)
            with app.app_context():
                db.session.remove()
                db.engine.dispose()


def read(lab: Lab, app: Flask, kind: str, view: View, scenario: str = SCENARIO) -> None:
    samples: list[float] = []
    rows = 0
    with app.app_context():
        members = list(db.session.scalars(select(Membership).where(KINDS[view.member])))
        plan = scans(lambda: queries.conversations(members[0], **view.asked))
        pages_of(random.choice(members), view)  # warm up: build statements, cache pages
        while len(samples) < (READS_QUICK if lab.quick else READS):
            for seconds, count in pages_of(random.choice(members), view):
                samples.append(seconds)
                rows += count
    what = f"{kind}, {view.member}: {view.name}"
    note = f"{rows / len(samples):.0f} rows; {plan}"
    lab.add(scenario, f"{what} p50", percentile(samples, 0.5) * 1e3, "ms", note=note)
    lab.add(scenario, f"{what} p99", percentile(samples, 0.99) * 1e3, "ms")


def pages_of(member: Membership, view: View) -> list[tuple[float, int]]:
    """(seconds, rows) of each page, one after the other."""
    pages: list[tuple[float, int]] = []
    before = None
    while len(pages) < DEEP and (before is not None or not pages):
        start = time.perf_counter()
        page = queries.conversations(member, **view.asked, before=before)
        pages.append((time.perf_counter() - start, len(page.conversations)))
        before = page.next_before
        for row in page.conversations:
            db.session.expunge(row)
    return pages


KINDS = {
    "administrator": Membership.user_id == ADMINISTRATOR,
    "inbox": (Membership.user_id <= AGENTS) & (Membership.sees == "inbox"),
    "assigned": (Membership.user_id <= AGENTS) & (Membership.sees == "assigned"),
    "agent of a quiet inbox": Membership.user_id == QUIET,
    "assigned very few": Membership.user_id == FEW,
}


def read_threads(lab: Lab, app: Flask, kind: str, scenario: str = SCENARIO) -> None:
    samples = []
    with app.app_context():
        last = db.session.scalar(text("SELECT max(id) FROM conversations"))
        for _ in range(READS_QUICK if lab.quick else READS):
            conversation = db.session.get_one(Conversation, random.randint(1, last))
            start = time.perf_counter()
            page = queries.messages(conversation, limit=5)
            queries.messages(conversation, before=page.next_before, limit=5)
            samples.append((time.perf_counter() - start) / 2)
            db.session.expunge_all()
        plan = scans(lambda: queries.messages(conversation, before=10**6, limit=5))
    lab.add(scenario, f"{kind}: a thread p50", percentile(samples, 0.5) * 1e3, "ms", note=plan)
    lab.add(scenario, f"{kind}: a thread p99", percentile(samples, 0.99) * 1e3, "ms")


# Plans


def scans(query: Callable[[], object]) -> str:
    """The scans of the lists' tables in the plan of the last statement that reads one of them."""
    statements: list[tuple[str, Any]] = []

    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", keep)
    try:
        query()
    finally:
        event.remove(db.engine, "before_cursor_execute", keep)
    asked = [s for s in statements if "FROM conversations" in s[0] or "FROM messages" in s[0]]
    statement, parameters = asked[0]
    explain = "EXPLAIN (ANALYZE, TIMING OFF) " if on_postgres() else "EXPLAIN QUERY PLAN "
    lines = db.session.connection().exec_driver_sql(explain + statement, parameters).all()
    details = [str(line[0] if on_postgres() else line[-1]).strip().lstrip("-> ") for line in lines]
    found = [d for d in details if "conversations" in d.lower() and is_scan(d)] or details[:1]
    found = found if "FROM conversations" in statement else [d for d in details if is_scan(d)][:1]
    took = [d for d in details if d.startswith("Execution Time")]
    return "; ".join(dict.fromkeys(short(line) for line in (*took, *found)))


def is_scan(line: str) -> bool:
    return "Scan" in line or line.startswith(("SEARCH", "SCAN"))


def short(line: str) -> str:
    return line.partition("  (cost")[0].replace("conversations", "c").replace("ix_", "")


def on_postgres() -> bool:
    return db.engine.dialect.name == "postgresql"


# Filling


def populated(lab: Lab, url: str, count: int) -> Flask:
    app = create_app(
        Settings(
            instance=lab.folder,
            database_url=url,
            redis_url="redis://127.0.0.1:1",  # never used
            secret_key="bench",
        )
    )
    with app.app_context(), unlimited():
        upgrade()
        fill = copy if on_postgres() else insert
        connection: Any = db.engine.raw_connection()
        with connection.cursor() if on_postgres() else connection.driver_connection as cursor:
            if not on_postgres():
                cursor.execute("PRAGMA foreign_keys=OFF")  # conversations refer to later messages
            for table, columns, rows in tables(count):
                fill(cursor, table, columns, rows)
        connection.cursor().execute(
            f"UPDATE conversations SET last_message_id = id * {MESSAGES_EACH}"
        )
        connection.commit()
        connection.close()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE" if on_postgres() else "ANALYZE"))
    return app


def copy(cursor: psycopg.Cursor, table: str, columns: str, rows: Iterator[Row]) -> None:
    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copying:
        for row in rows:
            copying.write_row(row)


def insert(connection: Any, table: str, columns: str, rows: Iterator[Row]) -> None:
    marks = ",".join("?" * len(columns.split(",")))
    # The form in which SQLAlchemy keeps times there.
    plain = (
        tuple(f"{v:%Y-%m-%d %H:%M:%S.%f}" if isinstance(v, datetime) else v for v in row)
        for row in rows
    )
    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", plain)


def tables(count: int) -> Iterator[tuple[str, str, Iterator[Row]]]:
    """Every table of the lists, with its columns and rows, the same in each run."""
    yield "accounts", "id,name,created_at", iter([(1, "Large", START)])
    yield (
        "users",
        "id,name,email,password_hash,created_at",
        ((n, f"Agent {n}", f"agent{n}@example.com", "-", START) for n in range(1, FEW + 1)),
    )
    yield (
        "memberships",
        "id,account_id,user_id,role,sees,status,alerts",
        (
            (n, 1, n, "agent", "inbox" if n % 2 else "assigned", "online", "mine")
            for n in range(1, AGENTS + 1)
        ),
    )
    yield (
        "memberships",
        "id,account_id,user_id,role,sees,status,alerts",
        iter(
            [
                (ADMINISTRATOR, 1, ADMINISTRATOR, "administrator", "inbox", "online", "mine"),
                (QUIET, 1, QUIET, "agent", "inbox", "online", "mine"),
                (FEW, 1, FEW, "agent", "assigned", "online", "mine"),
            ]
        ),
    )
    yield (
        "inboxes",
        "id,account_id,name,auto_assign,turns",
        ((n, 1, f"Inbox {n}", False, 0) for n in range(1, INBOXES + 1)),
    )
    yield (
        "inbox_members",
        "inbox_id,user_id,last_turn",
        (
            (inbox, user, 0)
            for user in range(1, AGENTS + 1)
            for inbox in {user % INBOXES + 1, (user // INBOXES) % INBOXES + 1}
        ),
    )
    yield "inbox_members", "inbox_id,user_id,last_turn", iter([(INBOXES, QUIET, 0)])
    yield (
        "contacts",
        "id,account_id,name,email,notes,blocked,aliases,folded,created_at,version",
        (
            (
                n,
                1,
                f"Contact {n}",
                f"contact{n}@example.com",
                "",
                False,
                "",
                f"contact {n} contact{n}@example.com",
                START,
                1,
            )
            for n in range(1, count + 1)
        ),
    )
    yield "conversations", CONVERSATION_COLUMNS, conversations(count, random.Random(1))
    yield "messages", MESSAGE_COLUMNS, messages(count, random.Random(2))


CONVERSATION_COLUMNS = (
    "id,account_id,inbox_id,contact_id,assignee_id,status,created_at,last_activity_at,"
    "last_public_at,waiting_since,version,status_version,assignee_version,labels_version,"
    "asked_version"
)
MESSAGE_COLUMNS = (
    "id,account_id,conversation_id,user_id,contact_id,message_type,private,content,folded,deleted,"
    "created_at,updated_at,version"
)


def conversations(count: int, chance: random.Random) -> Iterator[Row]:
    """Rows of conversations. Most are resolved; the last inbox has only old ones."""
    for n in range(1, count + 1):
        status = chance.choices(("open", "pending", "snoozed", "resolved"), (30, 10, 1, 959))[0]
        old = n <= count // 10
        inbox = INBOXES if old else chance.randint(1, INBOXES - 1)
        assignee = chance.choice((None, *range(1, AGENTS + 1))) if n % (count // 10) else FEW
        moment = START + timedelta(minutes=n, microseconds=chance.randrange(10**6))
        waiting = moment if status != "resolved" and chance.random() < 0.5 else None
        times = (START, moment, moment, waiting)
        yield n, 1, inbox, n, assignee, status, *times, 1, 1, 1, 1, 1


def messages(count: int, chance: random.Random) -> Iterator[Row]:
    words = WORDS.split()
    for n in range(count * MESSAGES_EACH):
        content = " ".join(chance.choices(words, k=12))
        if chance.random() < 0.001:
            content += f" {RARE}"
        conversation = n // MESSAGES_EACH + 1
        user, contact = (1, None) if n % 2 else (None, conversation)
        kind = "outgoing" if n % 2 else "incoming"
        yield (
            n + 1, 1, conversation, user, contact, kind, False, content, folded(content), False,
            START, START, 1,
        )  # fmt: skip
