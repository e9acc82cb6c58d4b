"""The storage of files: a folder, and a bucket of a real S3 server."""

import socket
import stat
import time

import gevent
import pytest

from rtapp import storage
from rtapp.config import Settings
from rtapp.config import SettingsError
from rtapp.storage import Storage
from rtapp.storage import StorageAway

from .files import png
from .files import upload
from .files import uploaded
from .harness.s3_server import BUCKET
from .harness.s3_server import CREDENTIALS
from .harness.s3_server import S3Server
from .harness.s3_server import s3_server

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NAME = "n" * 32


def read(folder, **more):
    return Settings.from_environ({"RTAPP_INSTANCE": str(folder / "instance"), **more})


def bucket(folder, s3):
    return read(folder, RTAPP_FILES=f"s3://{BUCKET}/some/folder", RTAPP_FILES_ENDPOINT=s3.url)


@pytest.fixture(scope="module")
def server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with s3_server(port) as running:
        yield running


@pytest.fixture
def s3(server, monkeypatch) -> S3Server:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(params=["folder", "bucket"])
def stored(request, tmp_path) -> Storage:
    if request.param == "folder":
        return Storage(read(tmp_path))
    return Storage(bucket(tmp_path, request.getfixturevalue("s3")))


def test_a_file_is_read_as_it_was_stored_until_it_is_deleted(stored):
    data = bytes(range(256)) * 40_000
    stored.put(NAME, data)
    assert stored.get(NAME) == data
    stored.put(NAME, b"")
    assert stored.get(NAME) == b""
    stored.delete(NAME)
    stored.delete(NAME)
    with pytest.raises(FileNotFoundError):
        stored.get(NAME)


def test_a_check_leaves_nothing(stored, tmp_path, request):
    stored.check()
    if stored.folder is not None:
        assert list(stored.folder.iterdir()) == []
    else:
        assert request.getfixturevalue("s3").names() == []


def test_a_folder_and_its_files_are_for_their_user_alone(tmp_path):
    stored = Storage(read(tmp_path, RTAPP_FILES=str(tmp_path / "else" / "where")))
    stored.put(NAME, b"x")
    assert stored.folder == tmp_path / "else" / "where"
    assert stat.S_IMODE(stored.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((stored.folder / NAME).stat().st_mode) == 0o600


def test_files_of_a_bucket_are_in_its_folder(s3, tmp_path):
    stored = Storage(bucket(tmp_path, s3))
    stored.put(NAME, b"x")
    assert s3.names() == [f"some/folder/{NAME}"]
    stored.delete(NAME)


def test_a_bucket_that_there_is_not_is_away(s3, tmp_path, caplog):
    settings = read(
        tmp_path, RTAPP_FILES="s3://no-such-bucket", RTAPP_FILES_ENDPOINT=s3.url
    )  # fmt: skip
    for attempt in (lambda: Storage(settings).put(NAME, b"x"), Storage(settings).check):
        with pytest.raises(StorageAway):
            attempt()
    assert "NoSuchBucket" in caplog.text
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in caplog.text


def test_a_server_that_is_not_there_is_away(s3, tmp_path):
    settings = read(
        tmp_path, RTAPP_FILES=f"s3://{BUCKET}", RTAPP_FILES_ENDPOINT="http://127.0.0.1:9"
    )
    with pytest.raises(StorageAway):
        Storage(settings).put(NAME, b"x")


def test_a_server_that_hangs_is_away_in_time_and_nothing_else_waits(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "PATIENCE", 2.0)
    stored = Storage(bucket(tmp_path, s3))
    stored.check()
    turns = []

    def others():
        while True:
            gevent.sleep(0.01)
            turns.append(time.monotonic())

    s3.pause()
    other = gevent.spawn(others)
    try:
        with pytest.raises(StorageAway):
            stored.check(1.0)
        assert len(turns) > 10  # the event loop went on
    finally:
        other.kill()
        s3.go_on()
    stored.check()


@one_database
def test_files_of_messages_are_in_the_bucket(app, ada, kevin, s3, tmp_path):
    app.extensions["storage"] = Storage(bucket(tmp_path, s3))
    data = png(600, 600)
    file = uploaded(ada, data)
    assert ada.send(1, "", attachments=[file["key"]]).status_code == 201
    assert kevin.get(file["url"]).data == data
    key = f"some/folder/{file['key']}"
    assert s3.names() == [key, f"{key}.thumbnail"]


@one_database
def test_status_names_a_storage_that_is_away_and_the_process_stays_ready(app, ada, nobody):
    assert nobody.get("/status").json["status"] == "ready"
    folder = app.extensions["storage"].folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_bytes(b"no folder")
    assert upload(ada, png()).status_code == 503
    status = nobody.get("/status").json
    assert status["status"] == "degraded"
    assert "storage of files" in status["faults"][0]
    assert nobody.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RTAPP_FILES", "relative/folder"),
        ("RTAPP_FILES", "/tmp"),
        ("RTAPP_FILES", "/"),
        ("RTAPP_FILES", "s3://"),
        ("RTAPP_FILES", "s3://UPPER"),
        ("RTAPP_FILES", "s3://bucket/a b"),
        ("RTAPP_FILES", "https://bucket"),
        ("RTAPP_FILES_ENDPOINT", "s3.example.com"),
        ("RTAPP_FILES_ENDPOINT", "https://s3.example.com/path"),
        ("RTAPP_FILES_ENDPOINT", "https://s3.example.com"),  # without a bucket
    ],
)
def test_a_wrong_setting_of_the_storage_is_refused_by_its_name(tmp_path, name, value):
    with pytest.raises(SettingsError, match=name):
        read(tmp_path, **{name: value})
