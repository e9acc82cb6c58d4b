"""Backups: what they have, how they are refused, and that a refusal changes nothing."""

import json
import os
import resource
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from pgserver._commands import POSTGRES_BIN_PATH
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text

from rtapp import backup
from rtapp import create_app
from rtapp import schema
from rtapp.backup.archive import DATABASE
from rtapp.backup.archive import MANIFEST
from rtapp.backup.archive import Manifest
from rtapp.backup.make import UNSENT
from rtapp.backup.restore import OTHER_KEY
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Message
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Topic

from .conftest import settings
from .harness.waiting import eventually
from .support import release

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
LOST = "Written after the backup"
FILE_LIMIT = 100_000  # bytes, fewer than the demo has


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's programs of the tests' server."""
    monkeypatch.setenv("PATH", f"{POSTGRES_BIN_PATH}:{os.environ['PATH']}")


@pytest.fixture
def stopped(database_url: str, redis, tmp_path: Path) -> Iterator[Flask]:
    """The application on the demo, of which no server runs."""
    app = prepared(tmp_path / "instance", database_url, redis.url)
    app.extensions["broker"].redis.flushall()
    yield app
    release(app)


def prepared(folder: Path, database_url: str, redis_url: str) -> Flask:
    folder.mkdir()
    return create_app(settings(folder, database_url, redis_url))


def run(app: Flask, *words: object) -> str:
    """What a command prints, which succeeds."""
    done = app.test_cli_runner().invoke(args=[str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def refused(app: Flask, *words: object) -> str:
    """The sentence of a command that fails without a traceback."""
    done = app.test_cli_runner().invoke(args=[str(word) for word in words])
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    return done.output.rpartition("Error: ")[2].strip()


def counts(app: Flask) -> dict[str, int]:
    """The number of rows of each table."""
    with app.app_context():
        tables = db.metadata.sorted_tables
        return {t.name: db.session.scalar(select(func.count()).select_from(t)) or 0 for t in tables}


def write_a_message(app: Flask) -> None:
    with app.app_context():
        first = db.session.scalars(select(Message).order_by(Message.id)).first()
        assert first is not None
        db.session.execute(
            Message.__table__.insert().values(
                {c.name: getattr(first, c.key) for c in Message.__table__.columns
                 if c.name not in ("id", "client_id", "content")} | {"content": LOST}
            )
        )  # fmt: skip
        db.session.commit()


def has_the_message(app: Flask) -> bool:
    with app.app_context():
        return bool(db.session.scalar(select(func.count()).where(Message.content == LOST)))


@pytest.fixture
def archive(stopped: Flask, tmp_path: Path) -> Path:
    """A backup of the demo, to which a message was added afterwards."""
    path = tmp_path / "demo.backup"
    run(stopped, "backup", path)
    write_a_message(stopped)
    return path


def rewritten(path: Path, manifest: dict[str, object] | None = None, **members: bytes) -> Path:
    """A copy of the archive with other members, and another manifest."""
    changed = path.with_name("changed.backup")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        found = json.loads(old.read(MANIFEST)) | (manifest or {})
        new.writestr(DATABASE, members.get(DATABASE, old.read(DATABASE)))
        new.writestr(MANIFEST, members.get("text", json.dumps(found).encode()))
    return changed


def unsent_rows(app: Flask) -> None:
    """An event that is still to be sent, and a dead letter."""
    with app.app_context():
        event = {"account_id": 1, "event": "probe", "data": {}, "topics": []}
        db.session.execute(OutboxEvent.__table__.insert(), [event, event | {"error": "refused"}])
        db.session.commit()


def test_a_backup_has_every_row_but_those_that_are_still_to_be_sent(stopped, tmp_path):
    unsent_rows(stopped)
    before = counts(stopped)
    assert before["outbox_events"] == 2
    path = tmp_path / "demo.backup"
    assert str(path) in run(stopped, "backup", path)
    write_a_message(stopped)
    printed = run(stopped, "restore", path, "--replace")
    assert "fetch everything again" in printed
    assert not has_the_message(stopped)
    assert counts(stopped) == before | {model.__tablename__: 0 for model in UNSENT}


def test_a_backup_has_the_files_of_messages(stopped, tmp_path, redis):
    key, thumbnail, probe = "k" * 32, f"{'k' * 32}.thumbnail", ".probe-1"
    storage = stopped.extensions["storage"]
    for name in (key, thumbnail, probe):
        storage.put(name, name.encode())
    path = tmp_path / "demo.backup"
    assert "2 files of messages" in run(stopped, "backup", path)
    for name in (key, thumbnail, probe):
        storage.delete(name)
    run(stopped, "restore", path, "--replace")
    assert [storage.get(name) for name in (key, thumbnail)] == [key.encode(), thumbnail.encode()]
    with pytest.raises(FileNotFoundError):
        storage.get(probe)


@SQLITE
def test_a_backup_with_files_is_refused_while_the_storage_takes_none(stopped, tmp_path):
    storage = stopped.extensions["storage"]
    storage.put("k" * 32, b"x")
    path = tmp_path / "demo.backup"
    run(stopped, "backup", path)
    write_a_message(stopped)
    (storage.folder / ("k" * 32)).unlink()
    storage.folder.rmdir()
    storage.folder.write_bytes(b"no folder")
    assert "RTAPP_FILES" in refused(stopped, "restore", path, "--replace")
    assert has_the_message(stopped)


@SQLITE
@pytest.mark.parametrize("member", ["files/../../outside", "files/short", "other"])
def test_a_backup_with_another_member_is_refused(stopped, archive, member):
    with zipfile.ZipFile(archive, "a") as changed:
        changed.writestr(member, b"x")
    assert "damaged" in refused(stopped, "restore", archive, "--replace")
    assert has_the_message(stopped)


@SQLITE
def test_a_backup_that_misses_a_file_is_refused(stopped, archive):
    assert "missing" in refused(stopped, "restore", rewritten(archive, {"files": 1}), "--replace")
    assert has_the_message(stopped)


@SQLITE
def test_a_backup_of_a_bucket_says_that_its_files_are_not_in_it(stopped, tmp_path):
    settings = replace(stopped.extensions["settings"], files="s3://bucket/folder")
    app = create_app(settings)
    assert "s3://bucket/folder, and not in the backup" in run(app, "backup", tmp_path / "a.backup")
    release(app)


def test_whatever_is_sent_with_attempts_is_left_out_of_a_backup():
    unsent = {model.__tablename__ for model in UNSENT}
    tried = {table.name for table in db.metadata.sorted_tables if "attempts" in table.columns}
    assert tried
    assert tried | {"outbox_events"} == unsent


def test_a_backup_is_readable_by_its_user_alone_and_leaves_nothing_beside_it(archive):
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert [p.name for p in archive.parent.iterdir() if p.name.startswith(".")] == []
    instance = archive.parent / "instance"
    assert [p.name for p in instance.iterdir() if p.name.startswith(".")] == []


def test_a_restore_begins_epochs_and_drops_the_histories(stopped, archive, redis):
    broker = stopped.extensions["broker"]
    with stopped.app_context():
        broker.publish(1, "key", "probe", [("conversation:1", "{}")])
        old = broker.position(1)
        assert broker.redis.exists(Topic(1, "conversation:1").channel)
        broker.redis.set("LIMITS:of another", "1")
    run(stopped, "restore", archive, "--replace")
    with stopped.app_context():
        account = db.session.get(Account, 1)
        assert account is not None
        assert account.published_epoch > int(old.epoch)
        assert not broker.redis.exists(Topic(1, "conversation:1").channel)
        assert broker.redis.exists("LIMITS:of another")
        position = broker.position(1)
        assert int(position.epoch) == account.published_epoch  # no loss is shown as a fault
        broker.redis.flushall()


def test_a_database_with_an_account_is_replaced_on_demand_only(stopped, archive):
    sentence = refused(stopped, "restore", archive)
    assert "--replace" in sentence
    assert has_the_message(stopped)
    run(stopped, "restore", archive, "--replace")
    assert not has_the_message(stopped)


@SQLITE
def test_a_restore_under_another_secret_key_says_what_does_not_work(stopped, archive):
    assert OTHER_KEY not in run(stopped, "restore", archive, "--replace")
    earlier = rewritten(archive, {"key": ""})
    other = create_app(replace(stopped.extensions["settings"], secret_key="another"))
    assert OTHER_KEY in run(other, "restore", archive, "--replace")
    assert OTHER_KEY not in run(other, "restore", earlier, "--replace")
    release(other)


@SQLITE
def test_a_new_folder_needs_no_word(stopped, archive, redis, tmp_path):
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    fresh = prepared(tmp_path / "fresh", url, redis.url)
    run(fresh, "restore", archive)
    assert counts(fresh) == counts(stopped) | {"messages": counts(stopped)["messages"] - 1}
    release(fresh)


def test_a_restore_is_refused_while_a_server_runs(app, tmp_path):
    path = tmp_path / "demo.backup"
    run(app, "backup", path)  # a backup is not
    write_a_message(app)
    broker = app.extensions["broker"]
    eventually(broker.subscribed_processes, "the server has subscribed")
    assert "stop the service" in refused(app, "restore", path, "--replace")
    assert has_the_message(app)


@SQLITE
def test_a_restore_without_redis_changes_nothing(stopped, archive, tmp_path, database_url):
    away = prepared(tmp_path / "away", database_url, f"unix://{tmp_path}/nobody.sock")
    assert "nothing was changed" in refused(away, "restore", archive, "--replace")
    release(away)
    assert has_the_message(stopped)


@pytest.mark.parametrize(
    "manifest", [{"format": 3}, {"migrations": ["0001", "9999"], "version": "9.0"}]
)
def test_a_backup_of_a_newer_version_is_refused(stopped, archive, manifest):
    assert "newer version" in refused(stopped, "restore", rewritten(archive, manifest), "--replace")
    assert has_the_message(stopped)


def test_a_backup_of_another_kind_of_database_is_refused(stopped, archive):
    kind = json.loads(zipfile.ZipFile(archive).read(MANIFEST))["database"]
    other = "sqlite" if kind == "postgresql" else "postgresql"
    changed = rewritten(archive, {"database": other})
    assert "DATABASE_URL" in refused(stopped, "restore", changed, "--replace")
    assert has_the_message(stopped)


def test_a_database_of_a_newer_version_is_not_replaced(stopped, archive):
    with stopped.app_context():
        (now,) = db.session.scalars(text("SELECT version_num FROM alembic_version"))
        db.session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
        db.session.commit()
        assert refused(stopped, "restore", archive, "--replace") == schema.NEWER
        assert refused(stopped, "backup", archive.with_name("other")) == schema.NEWER
        db.session.execute(text(f"UPDATE alembic_version SET version_num = '{now}'"))
        db.session.commit()
    assert has_the_message(stopped)


@SQLITE
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(stopped, archive, share):
    os.truncate(archive, int(archive.stat().st_size * share))
    assert "damaged" in refused(stopped, "restore", archive, "--replace")
    assert has_the_message(stopped)


@SQLITE
def test_no_changed_byte_goes_unseen(stopped, archive):
    """At 40 places of the file: what is restored is the copy as it was made, or nothing is."""
    whole = archive.read_bytes()
    places = range(0, len(whole), len(whole) // 40)
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 0x55
        archive.write_bytes(changed)
        done = stopped.test_cli_runner().invoke(args=["restore", str(archive), "--replace"])
        if done.exit_code == 0:  # a byte that says nothing, such as a time
            assert not has_the_message(stopped)
            write_a_message(stopped)
        else:
            assert "damaged" in done.output, done.output
            assert has_the_message(stopped)


@pytest.mark.parametrize("flip", [0x01, 0x55, 0xFF])
def test_no_changed_byte_of_the_archives_frame_is_an_error_of_ours(tmp_path, flip):
    """Every byte of a small archive: it is read as it was, or refused."""
    copy, path = tmp_path / "copy", tmp_path / "small.backup"
    copy.write_bytes(b"content")
    size, sha256 = backup.archive.digest(copy)
    manifest = Manifest("1", ["0001"], "sqlite", "2026-01-01T00:00:00.000Z", size, sha256)
    backup.archive.write(path, copy, manifest, tmp_path)
    whole = path.read_bytes()
    refusals = []
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= flip
        path.write_bytes(changed)
        (tmp_path / DATABASE).unlink(missing_ok=True)
        try:
            _, found = backup.archive.read(path, tmp_path)
            assert found.read_bytes() == b"content"
        except backup.archive.BackupError as error:
            refusals.append(str(error))
    assert len(refusals) > len(whole) / 2
    assert [s for s in refusals if "damaged" not in s and "newer version" not in s] == []


@SQLITE
@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b"{}", b'{"format": 1}', b'{"format": "x"}', b"\xff", b"[" * 60_000,
     b'{"format": 1, "migrations": [1], "version": "", "database": "sqlite", "made_at": "",'
     b' "size": 1, "sha256": ""}'],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(stopped, archive, manifest):
    changed = rewritten(archive, text=manifest)
    assert "damaged" in refused(stopped, "restore", changed, "--replace")
    assert has_the_message(stopped)


@SQLITE
def test_an_archive_that_unpacks_to_more_than_it_claims_is_refused(stopped, archive):
    changed = rewritten(archive, **{DATABASE: bytes(50_000_000)})
    assert "damaged" in refused(stopped, "restore", changed, "--replace")
    assert has_the_message(stopped)


@SQLITE
def test_a_copy_that_is_damaged_inside_is_refused(stopped, archive):
    content = bytearray(zipfile.ZipFile(archive).read(DATABASE))
    content[4096 * 2 : 4096 * 4] = bytes(4096 * 2)
    path = archive.with_name("copy")
    path.write_bytes(content)
    size, sha256 = backup.archive.digest(path)
    changed = rewritten(archive, {"size": size, "sha256": sha256}, **{DATABASE: bytes(content)})
    assert "damaged" in refused(stopped, "restore", changed, "--replace")
    assert has_the_message(stopped)


@SQLITE
def test_a_file_that_is_there_is_kept(stopped, archive):
    before = archive.read_bytes()
    assert "is there already" in refused(stopped, "backup", archive)
    assert archive.read_bytes() == before


@SQLITE
def test_a_folder_that_is_not_there_is_named(stopped, tmp_path):
    assert f"{tmp_path}/none" in refused(stopped, "backup", tmp_path / "none" / "file")


@SQLITE
def test_a_name_that_no_file_can_have_is_refused(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "File name too long" in refused(stopped, "backup", tmp_path / ("x" * 256))
    assert f"{tmp_path} is a folder" in refused(stopped, "backup", "")
    run(stopped, "backup", "x" * 255)


@SQLITE
def test_a_backup_without_tables_is_refused(redis, tmp_path, database_url):
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    empty = prepared(tmp_path / "empty", url, redis.url)
    assert refused(empty, "backup", tmp_path / "file") == schema.EMPTY
    release(empty)


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow over FILE_LIMIT, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@SQLITE
def test_a_full_disk_leaves_no_file_and_the_old_database(stopped, archive, tmp_path):
    other = tmp_path / "other" / "file"
    other.parent.mkdir()
    with small_files():
        assert "can't be" in refused(stopped, "backup", other)
        assert "can't be" in refused(stopped, "restore", archive, "--replace")
    assert list(other.parent.iterdir()) == []
    assert has_the_message(stopped)


@POSTGRES
@pytest.mark.parametrize("program", ["pg_dump", "pg_restore", "psql"])
def test_a_program_that_is_not_installed_is_named(stopped, archive, monkeypatch, tmp_path, program):
    there = tmp_path / "bin"
    there.mkdir()
    for name in {"pg_dump", "pg_restore", "psql"} - {program}:
        (there / name).symlink_to(POSTGRES_BIN_PATH / name)
    monkeypatch.setenv("PATH", str(there))
    words = ("backup", tmp_path / "other") if program == "pg_dump" else (
        "restore", archive, "--replace")  # fmt: skip
    sentence = refused(stopped, *words)
    assert sentence.startswith(f"There is no {program}.")
    assert "postgresql-client" in sentence
    assert has_the_message(stopped)


@POSTGRES
def test_the_password_stands_in_no_command(stopped, monkeypatch, tmp_path):
    """Every user of the machine can read commands."""
    there = tmp_path / "bin"
    there.mkdir()
    (there / "pg_dump").write_text('#!/bin/sh\necho "error: $PGPASSWORD $*" >&2\nexit 1\n')
    (there / "pg_dump").chmod(0o700)
    monkeypatch.setenv("PATH", f"{there}:{os.environ['PATH']}")
    with stopped.app_context():
        url = db.engine.url.set(password="s3cret words")
    with pytest.raises(backup.archive.BackupError) as found:
        backup.postgresql.copy(url, tmp_path / "copy", ["accounts"], [])
    _, _, words = str(found.value).partition("error: ")
    assert words.startswith("s3cret words --dbname=")
    assert words.count("s3cret") == 1


@POSTGRES
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("pg_dump", "pg_dump: error: aborting because of server version mismatch"),
        ("pg_restore", "pg_restore: error: unsupported version (1.16) in file header"),
        ("psql", 'psql: ERROR:  unrecognized configuration parameter "transaction_timeout"'),
    ],
)
def test_programs_of_another_version_are_named_with_the_remedy(
    stopped, archive, monkeypatch, tmp_path, program, said
):
    there = tmp_path / "bin"
    there.mkdir()
    (there / program).write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    (there / program).chmod(0o700)
    monkeypatch.setenv("PATH", f"{there}:{os.environ['PATH']}")
    words = (
        ("backup", tmp_path / "other")
        if program == "pg_dump"
        else ("restore", archive, "--replace")
    )
    sentence = refused(stopped, *words)
    assert sentence.startswith(f"{program} has failed: {said}")
    assert "major version" in sentence
    assert has_the_message(stopped)
    assert not (tmp_path / "other").exists()


@POSTGRES
def test_a_script_that_fails_in_its_middle_changes_nothing(stopped, archive):
    """An index of another program has the name of one of ours."""
    with stopped.app_context():
        name = next(i.name for t in db.metadata.sorted_tables[::-1] for i in t.indexes)
        db.session.execute(text("CREATE TABLE foreign_rows (number INTEGER)"))
        db.session.execute(text(f"ALTER INDEX {name} RENAME TO former"))
        db.session.execute(text(f"CREATE INDEX {name} ON foreign_rows (number)"))
        db.session.commit()
    before = counts(stopped)
    try:
        sentence = refused(stopped, "restore", archive, "--replace")
        assert sentence.startswith("psql has failed: ")
        assert name in sentence
        assert counts(stopped) == before
        assert has_the_message(stopped)
    finally:
        with stopped.app_context():
            db.session.execute(text("DROP TABLE foreign_rows"))
            db.session.execute(text(f"ALTER INDEX former RENAME TO {name}"))
            db.session.commit()
