"""Lists, threads, searches and unread counts on PostgreSQL at size. It runs only if it is named.

A million conversations, ten million messages, two million read markers and a million notifications
of one account, made in the database by `generate_series`. That takes some minutes and 10 GB. Each
view of `lists` is read as there.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text

from rtapp import create_app
from rtapp.config import Settings
from rtapp.database import unlimited
from rtapp.extensions import db
from rtapp.unread import counts

from . import lists
from .databases import postgres
from .lab import Lab
from .lab import log_progress
from .lists import AGENTS
from .lists import FEW
from .lists import INBOXES
from .lists import MESSAGES_EACH
from .lists import RARE
from .lists import START
from .lists import WORDS
from .measures import percentile

SCENARIO = "at-size"
CONVERSATIONS = 1_000_000
CONVERSATIONS_QUICK = 20_000
FILL_MEMORY = "512MB"  # for building an index


def run(lab: Lab) -> None:
    count = CONVERSATIONS_QUICK if lab.quick else CONVERSATIONS
    with postgres() as url:
        log_progress(f"{count} conversations")
        start = time.perf_counter()
        app = populated(lab.folder, url, count)
        lab.add(SCENARIO, f"{count} conversations made", time.perf_counter() - start, "s")
        measure(lab, app)
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def measure(lab: Lab, app: Flask) -> None:
    for view in lists.VIEWS:
        lists.read(lab, app, "postgresql", view, SCENARIO)
    lists.read_threads(lab, app, "postgresql", SCENARIO)
    with app.app_context():
        for view, statement in counts.STATEMENTS.items():
            samples = []
            for user in range(1, FEW + 1):
                start = time.perf_counter()
                db.session.execute(statement, {"viewer": user, "account": 1}).all()
                samples.append(time.perf_counter() - start)
            what = f"unread conversations of a user: {view}"
            lab.add(SCENARIO, f"{what} p50", percentile(samples, 0.5) * 1e3, "ms")
            lab.add(SCENARIO, f"{what} max", max(samples) * 1e3, "ms")


def populated(folder: Path, url: str, count: int) -> Flask:
    app = create_app(
        Settings(
            instance=folder,
            database_url=url,
            redis_url="redis://127.0.0.1:1",  # never used
            secret_key="bench",
        )
    )
    with app.app_context(), unlimited():
        upgrade()
        fill(count)
    return app


def fill(count: int) -> None:
    """Fill the tables. Their indexes are made after their rows, which is several times as quick."""
    connection = db.engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute("SET session_replication_role = replica")  # foreign keys are not checked
    cursor.execute(f"SET maintenance_work_mem = '{FILL_MEMORY}'")
    cursor.execute("SELECT setseed(0.5)")
    for table, columns, rows in lists.tables(count):
        if table not in ("contacts", "conversations", "messages"):
            lists.copy(cursor, table, columns, rows)
    for table, statement in statements(count):
        log_progress(table)
        with_indexes_after(cursor, table, statement)
        connection.commit()
    cursor.execute("RESET session_replication_role")
    connection.commit()
    connection.close()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
        autocommit.execute(text("VACUUM ANALYZE"))


def with_indexes_after(cursor: psycopg.Cursor, table: str, statement: str) -> None:
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes "
        "WHERE tablename = %s AND indexname LIKE 'ix_%%'",
        (table,),
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute(statement)
    for _, definition in indexes:
        cursor.execute(definition)


def statements(count: int) -> Iterator[tuple[str, str]]:
    """Each large table, and the statement that fills it."""
    words = ",".join(f"'{word}'" for word in WORDS.split())
    word = f"(ARRAY[{words}])[1 + floor(random() * {len(WORDS.split())})::int + 0 * n]"
    content = " || ' ' || ".join([word] * 12)
    start = f"timestamptz '{START.isoformat()}'"
    yield (
        "contacts",
        f"""INSERT INTO contacts (id, account_id, name, email, notes, blocked, aliases, created_at,
          version, folded)
        SELECT n, 1, 'Contact ' || n, 'contact' || n || '@example.com', '', false, '', {start}, 1,
          'contact ' || n || ' contact' || n || '@example.com'
        FROM generate_series(1, {count}) n""",
    )
    yield (
        "conversations",
        f"""INSERT INTO conversations ({lists.CONVERSATION_COLUMNS}, last_message_id)
        SELECT n, 1,
          CASE WHEN n <= {count // 10} THEN {INBOXES}
            ELSE 1 + floor(random() * {INBOXES - 1}) END,
          n,
          CASE WHEN n % {count // 10} = 0 THEN {FEW}
            ELSE nullif(floor(random() * {AGENTS + 1}), 0) END,
          status, {start}, moment, moment,
          CASE WHEN status <> 'resolved' AND random() < 0.5 THEN moment END,
          1, 1, 1, 1, 1, n * {MESSAGES_EACH}
        FROM (
          SELECT n, CASE WHEN chance < 0.03 THEN 'open' WHEN chance < 0.04 THEN 'pending'
            WHEN chance < 0.041 THEN 'snoozed' ELSE 'resolved' END AS status,
            {start} + n * interval '6 seconds' + random() * interval '1 second' AS moment
          FROM (SELECT n, random() AS chance FROM generate_series(1, {count}) n) drawn
        ) made""",
    )
    yield (
        "messages",
        f"""INSERT INTO messages ({lists.MESSAGE_COLUMNS})
        SELECT n + 1, 1, n / {MESSAGES_EACH} + 1, CASE WHEN n % 2 = 1 THEN 1 END,
          CASE WHEN n % 2 = 0 THEN n / {MESSAGES_EACH} + 1 END,
          CASE WHEN n % 2 = 1 THEN 'outgoing' ELSE 'incoming' END, false, content,
          lower(content), false, {start}, {start}, 1
        FROM (
          SELECT n, {content} || CASE WHEN random() < 0.001 THEN ' {RARE}' ELSE '' END AS content
          FROM generate_series(0, {count * MESSAGES_EACH} - 1) n
        ) made""",
    )
    yield (
        "read_markers",
        f"""INSERT INTO read_markers (user_id, conversation_id, message_id, updated_at)
        SELECT 1 + (n + m * 7) % {AGENTS}, n, n * {MESSAGES_EACH} - floor(random() * 3), {start}
        FROM generate_series(1, {count}) n, generate_series(0, 1) m""",
    )
    yield (
        "notifications",
        f"""INSERT INTO notifications
          (account_id, user_id, conversation_id, message_id, kind, read, created_at)
        SELECT 1, 1 + n % {AGENTS}, n, n * {MESSAGES_EACH}, 'message', random() < 0.9,
          {start} + n * interval '6 seconds'
        FROM generate_series(1, {count}) n""",
    )
