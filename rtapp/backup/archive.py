"""The file of a backup: a zip archive with the copy of the database, the files of messages, and a
manifest."""

import errno
import hashlib
import hmac
import json
import os
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from rtapp.config import FILE_LIMIT

FORMAT = 2  # 1 had no files
MANIFEST, DATABASE = "manifest.json", "database"
MANIFEST_LIMIT = 64 * 1024  # bytes
CHUNK = 1024 * 1024  # bytes
FILE = re.compile(r"files/([A-Za-z0-9_-]{32}(?:\.thumbnail)?)")  # the name of a message's file
FINGERPRINT = b"rtapp.backup"  # what the key is applied to
# What zipfile raises for an archive that is none any more.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    OverflowError, LookupError, struct.error,
)  # fmt: skip


class BackupError(Exception):
    """A backup can't be made, or can't be restored. The text says why and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a backup has. `database`: SQLAlchemy's name of its kind. `migrations`: the revisions of
    its tables. `made_at`: what was committed by then is in it, RFC 3339. `size`, `sha256`: of the
    copy. `key`: the fingerprint of SECRET_KEY; empty if an earlier version made the backup.
    `files`: how many files of messages."""

    version: str
    migrations: list[str]
    database: str
    made_at: str
    size: int
    sha256: str
    key: str = ""
    files: int = 0


def key_fingerprint(secret_key: str) -> str:
    """By it two keys are compared; it gives nothing of a key away."""
    return hmac.new(secret_key.encode(), FINGERPRINT, hashlib.sha256).hexdigest()[:16]


def digest(path: Path) -> tuple[int, str]:
    """The size of a file, and its SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), found


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A private folder on the disk of `path`, for the block. Raises BackupError."""
    try:
        folder = tempfile.mkdtemp(prefix=".rtapp-backup-", dir=path.parent)
    except OSError as error:
        raise BackupError(f"{path.parent} can't be written to: {error.strerror}.") from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(
    path: Path, copy: Path, manifest: Manifest, folder: Path, files: Iterable[Path] = ()
) -> Manifest:
    """Write the archive to `path`, readable by this user alone: whole, or not at all. Returns the
    manifest with the number of files; one that is removed meanwhile is left out.

    `folder`: a private one on the same disk. Raises OSError.
    """
    part = folder / "archive"
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(copy, DATABASE)
            written = sum(add(archive, file) for file in files)
            manifest = replace(manifest, files=written)
            archive.writestr(MANIFEST, json.dumps({"format": FORMAT} | asdict(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the name, too, outlives a power failure
    finally:
        os.close(descriptor)
    return manifest


def add(archive: zipfile.ZipFile, file: Path) -> bool:
    """Whether the file was there. Pictures are compressed already."""
    try:
        archive.write(file, f"files/{file.name}", zipfile.ZIP_STORED)
    except FileNotFoundError:
        return False
    return True


def read(path: Path, folder: Path) -> tuple[Manifest, Path]:
    """The manifest of the archive at `path`, and the copy, taken out of it into `folder`. The files
    of messages are beside the copy, in the folder `files`.

    Raises BackupError unless the archive is whole, and of this format.
    """
    try:
        with path.open("rb") as file:
            return taken_out(path, file, folder)
    except DAMAGE as error:
        raise damaged(path, "it is cut off, or no archive") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # the archive leads to a place before its beginning
            raise damaged(path, "it is cut off, or no archive") from error
        raise BackupError(f"{path} can't be read: {error.strerror or error}.") from error


def taken_out(path: Path, file: BinaryIO, folder: Path) -> tuple[Manifest, Path]:
    with zipfile.ZipFile(file) as archive:
        files = {name for name in archive.namelist() if FILE.fullmatch(name)}
        if set(archive.namelist()) - files != {MANIFEST, DATABASE}:
            raise damaged(path, "it has no manifest")
        with archive.open(MANIFEST) as entry:
            manifest = parse(path, entry.read(MANIFEST_LIMIT))
        copy = folder / DATABASE
        take(archive, DATABASE, copy, manifest.size)
        if len(files) != manifest.files:
            raise damaged(path, "files of its manifest are missing")
        (folder / "files").mkdir(exist_ok=True)
        for name in files:
            take(archive, name, folder / name, FILE_LIMIT)
        if digest(copy) != (manifest.size, manifest.sha256):
            raise damaged(path, "the copy is not the one of its manifest")
    return manifest, copy


def take(archive: zipfile.ZipFile, name: str, target: Path, size: int) -> None:
    """Not more than `size` bytes and one, whatever the entry unpacks to."""
    with archive.open(name) as entry, target.open("xb") as file:
        left = size + 1
        while left > 0 and (chunk := entry.read(min(CHUNK, left))):
            file.write(chunk)
            left -= len(chunk)


def parse(path: Path, text: bytes) -> Manifest:
    try:
        found = json.loads(text)
        number = found.pop("format")
        if isinstance(number, int) and number > FORMAT:
            raise BackupError(
                f"{path} was made by a newer version of rtapp: restore it with that version."
            )
        manifest = Manifest(**found)
        types = {name: type(value) for name, value in asdict(manifest).items()}
        strings = all(isinstance(one, str) for one in manifest.migrations)
        if types != Manifest.__annotations__ | {"migrations": list} or not strings:
            raise ValueError("a field has another type")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path, "its manifest can't be read") from error
    return manifest


def damaged(path: Path, why: str) -> BackupError:
    return BackupError(
        f"{path} is damaged, or no backup of rtapp: {why}. Nothing was changed; use another backup."
    )
