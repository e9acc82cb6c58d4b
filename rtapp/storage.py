"""The storage of attachments' files: a folder of this machine, or a bucket of an S3 server.

obstore is the way to both. Its calls block, so they run in threads of their own (the pool of the
hub has the password hashes, which must not wait for a storage that hangs), and its waits are in
native code, outside gevent's sockets.
"""

import logging
import os
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from typing import TypeVar

import gevent
import obstore
from gevent.threadpool import ThreadPool
from obstore.exceptions import BaseError
from obstore.store import LocalStore
from obstore.store import S3Store

from rtapp.config import BUCKET
from rtapp.config import Settings
from rtapp.errors import Unavailable
from rtapp.private_files import FILE
from rtapp.private_files import make_folder

THREADS = 8
PATIENCE = 15.0  # s for one call of the storage
CONNECT = timedelta(seconds=3)
PROBE = ".probe-"  # what the names of files that are no attachments begin with
# What obstore raises besides its own.
FAILURES = (BaseError, OSError, ValueError)

T = TypeVar("T")

logger = logging.getLogger(__name__)


class StorageAway(Unavailable):
    """The storage does not answer, or refuses. Nothing was stored."""

    def __init__(self) -> None:
        super().__init__(
            "The storage of files is not available now. Nothing was lost; try again in a moment."
        )


class Storage:
    """Files by their name. Each method raises StorageAway if the storage does not do it in time."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._opened: Any = None
        self._pool: ThreadPool | None = None

    @property
    def place(self) -> str:
        """Where the files are, for the operator."""
        return str(self.folder or self._settings.files)

    @property
    def folder(self) -> Path | None:
        """The folder of the files, None if they are in a bucket."""
        return folder_of(self._settings)

    def put(self, name: str, data: bytes) -> None:
        """Store a file, whole or not at all."""
        self._call(lambda store: self._put(store, name, data))

    def get(self, name: str) -> bytes:
        """Raises FileNotFoundError without such a file."""
        data = self._call(lambda store: self._get(store, name))
        if data is None:
            raise FileNotFoundError(name)
        return data

    def delete(self, name: str) -> None:
        """A file that is not there is deleted already."""
        self._call(lambda store: missing_ok(obstore.delete, store, name))

    def check(self, patience: float = PATIENCE) -> None:
        """Whether the storage answers, and takes files."""
        self._call(lambda store: self._check(store), patience)

    def _put(self, store: Any, name: str, data: bytes) -> None:
        obstore.put(store, name, data, use_multipart=False)
        if self.folder is not None:
            make_durable(self.folder / name)

    def _get(self, store: Any, name: str) -> bytes | None:
        try:
            return bytes(obstore.get(store, name).bytes())
        except FileNotFoundError:
            return None

    def _check(self, store: Any) -> None:
        name = f"{PROBE}{secrets.token_hex(8)}"
        self._put(store, name, b"")
        missing_ok(obstore.delete, store, name)

    def _call(self, work: Callable[[Any], T], patience: float = PATIENCE) -> T:
        if self._pool is None:
            self._pool = ThreadPool(THREADS)
        limit = gevent.Timeout(patience)
        try:
            with limit:
                done, error = self._pool.apply(self._attempt, (work,))
        except gevent.Timeout as timeout:
            if timeout is not limit:
                raise
            logger.error("The storage of files does not answer within %.0f s", patience)
            raise StorageAway from None
        if error is not None:
            logger.error("The storage of files fails: %s", summary(error))
            raise StorageAway from error
        result: T = done
        return result

    def _attempt(self, work: Callable[[Any], T]) -> tuple[Any, Exception | None]:
        """In a thread. An error is returned, because the pool would print one that is raised."""
        try:
            return work(self._store()), None
        except FAILURES as error:
            return None, error

    def _store(self) -> Any:
        """Opened on first use: a process that forks has no threads of it before."""
        if self._opened is None:
            self._opened = opened(self._settings)
        return self._opened


def folder_of(settings: Settings) -> Path | None:
    if settings.files.startswith("s3://"):
        return None
    return Path(settings.files) if settings.files else settings.instance / "files"


def opened(settings: Settings) -> Any:
    folder = folder_of(settings)
    if folder is not None:
        make_folder(folder)
        return LocalStore(folder)
    match = BUCKET.fullmatch(settings.files)
    assert match is not None
    bucket, prefix = match.groups()
    endpoint = settings.files_endpoint
    server: dict[str, Any] = {}
    if endpoint is not None:  # servers but Amazon's have the bucket in the path
        server = {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if "AWS_REGION" not in os.environ and "AWS_DEFAULT_REGION" not in os.environ:
            server["region"] = "us-east-1"
    return S3Store(
        bucket,
        prefix=(prefix or "").strip("/") or None,
        client_options={
            "timeout": timedelta(seconds=PATIENCE),
            "connect_timeout": CONNECT,
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
        },
        retry_config={"max_retries": 1, "retry_timeout": CONNECT},
        **server,
    )


def make_durable(path: Path) -> None:
    """Have the file outlive a power failure, and nobody else read it."""
    path.chmod(FILE)
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def missing_ok(delete: Callable[[Any, str], None], store: Any, name: str) -> None:
    try:
        delete(store, name)
    except FileNotFoundError:
        pass


def summary(error: Exception) -> str:
    """The first line of an error, and the code of S3's; the rest of obstore's has the request."""
    code = re.search(r"<Code>(\w+)</Code>", str(error))
    return str(error).partition("\n")[0][:300] + (f" ({code[1]})" if code else "")
