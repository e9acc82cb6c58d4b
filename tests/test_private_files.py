"""The instance folder and all that is in it are for the user of the process alone."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from rtapp.config import Settings
from rtapp.config import SettingsError
from rtapp.private_files import close_to_others
from rtapp.private_files import make_folder
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.embedded_redis import EmbeddedRedisError

from .harness.app_process import AppProcess
from .harness.waiting import PATIENCE
from .harness.waiting import eventually

NOBODY = 65534
WIDE_OPEN = 0


@pytest.fixture
def umask():
    """No permission is taken from new files: each has what its maker asks for."""
    before = os.umask(WIDE_OPEN)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes(folder: Path) -> dict[str, str]:
    """Return the mode of the folder and of each file and folder in it."""
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): oct(mode(path)) for path in paths}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: a socket's path has at most 107 bytes (unix(7))."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def open_to_others(folder: Path) -> dict[str, str]:
    private = {True: oct(0o700), False: oct(0o600)}
    return {
        name: found
        for name, found in modes(folder).items()
        if found != private[(folder / name).is_dir()]
    }


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_all_files_of_a_server_with_a_umask_of_zero_are_for_its_user_alone(tmp_path, existing):
    folder = tmp_path / "instance"
    if existing:
        with AppProcess(make(tmp_path / "instance")):
            pass
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        assert open_to_others(folder)
    else:
        folder.mkdir(mode=0o755)
    server = AppProcess(folder)
    server.log = tmp_path / "server.log"
    server.umask = WIDE_OPEN
    server.start()
    try:
        answer = httpx.post(
            f"{server.url}/conversations/1/messages", json={"content": "into the WAL"},
            headers=server.bearer("ada@example.com"), timeout=PATIENCE,
        )  # fmt: skip
        assert answer.status_code == 201
        with Redis(unix_socket_path=str(EmbeddedRedis(folder / "redis").socket_path)) as redis:
            before = inodes(folder / "redis")
            redis.bgrewriteaof()  # its files are new ones
            eventually(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
            eventually(lambda: not inodes(folder / "redis") <= before, "there are new files")
        names = modes(folder).keys()
        assert {"rtapp.sqlite3", "rtapp.sqlite3-wal", "rtapp.sqlite3-shm", "secret_key"} <= names
        assert {"redis/redis.sock", "redis/redis.log", "redis/lock"} <= names
        assert any("appendonly" in name for name in names)
        assert open_to_others(folder) == {}
    finally:
        server.stop()
    assert open_to_others(folder) == {}
    assert "may be open to other users" not in server.log.read_text()


def inodes(folder: Path) -> set[int]:
    return {path.stat().st_ino for path in folder.rglob("*.aof")}


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_private_folder_closes_all_that_is_in_it_to_others_but_no_target_of_a_link(
    tmp_path, umask
):
    outside = tmp_path / "outside"
    outside.write_text("of somebody else")
    outside.chmod(0o644)
    folder = tmp_path / "instance"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "deep" / "deeper" / "file").write_text("")
    (folder / "script").write_text("")
    (folder / "script").chmod(0o755)
    (folder / "link").symlink_to(outside)
    (folder / "dangling").symlink_to(tmp_path / "nothing")
    make_folder(folder)
    assert mode(outside) == 0o644
    found = modes(folder)
    assert (found["."], found["deep/deeper"], found["script"]) == ("0o700", "0o700", "0o700")
    assert found["deep/deeper/file"] == "0o600"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_a_file_of_another_user_that_stays_open_to_others_is_logged_as_an_error(caplog):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the other user finds the file
        file = Path(folder) / "file"
        file.write_text("")
        file.chmod(0o644)
        os.seteuid(NOBODY)
        try:
            close_to_others(file)
        finally:
            os.seteuid(0)
        (record,) = caplog.records
        assert record.levelname == "ERROR"
        assert f"{file} may be open to other users of this machine" in record.message
        assert "not permitted" in record.message
        caplog.clear()
        close_to_others(file)
        assert mode(file) == 0o600
        assert not caplog.records


@pytest.mark.parametrize("shared", ["/", "sticky"])
def test_a_folder_that_others_use_is_refused_as_the_instance_folder(tmp_path, shared):
    folder = Path("/") if shared == "/" else make(tmp_path / "sticky")
    before = mode(folder) if shared == "/" else 0o1777
    if shared != "/":
        folder.chmod(before)
    with pytest.raises(SettingsError, match="RTAPP_INSTANCE"):
        Settings.from_environ({"RTAPP_INSTANCE": str(folder)})
    assert mode(folder) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_a_temporary_folder_of_another_user_is_refused_for_the_socket_of_redis(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = EmbeddedRedis(tmp_path / ("long" * 30))
    folder = server.socket_path.parent
    assert folder.parent == tmp_path
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(EmbeddedRedisError, match="not a folder of this user"):
        server.start()
    os.chown(folder, 0, 0)
    server.start()
    server.stop()
    assert mode(folder) == 0o700
