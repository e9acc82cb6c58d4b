"""Static files: the address of a file changes with the content of all of them.

The version stands in the path, before the file's name, so a module that imports another one by a
relative path gets that one at the same version. Such an address is cached for ever (RFC 8246).
"""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from typing import NamedTuple

from flask import Flask
from flask import Response
from flask import g
from werkzeug.routing import BaseConverter

CACHED_FOR = 365 * 24 * 60 * 60  # s
ENDPOINT = "static"


class VersionConverter(BaseConverter):
    """A version in a URL: no file or folder has such a name."""

    regex = "v[0-9a-f]{16}"


class File(NamedTuple):
    """A file as its folder lists it, to find whether its content may have changed."""

    path: str
    size: int
    changed_at: int


def init_app(app: Flask) -> None:
    """Add the addresses with a version to Flask's own ones, which stay, and are revalidated."""
    folder = app.static_folder
    assert folder is not None

    def serve(filename: str, version: str | None = None) -> Response:
        """A file. With a version other than the present one (of another release, on another host),
        it is the present file, and is revalidated."""
        response = app.send_static_file(filename)
        if version is not None and version == version_of(folder):
            response.headers["Cache-Control"] = f"public, max-age={CACHED_FOR}, immutable"
        return response

    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == ENDPOINT:
            if "static_version" not in g:  # a page names many files
                g.static_version = version_of(folder)
            values.setdefault("version", g.static_version)

    app.url_map.converters["version"] = VersionConverter
    app.add_url_rule(f"{app.static_url_path}/<version:version>/<path:filename>", ENDPOINT)
    app.view_functions[ENDPOINT] = serve
    app.url_defaults(add_version)


def version_of(folder: str) -> str:
    """The version of the files in the folder as they are now, in development and production."""
    return digest(folder, tuple(sorted(files(folder))))


@lru_cache(maxsize=8)
def digest(folder: str, listed: tuple[File, ...]) -> str:
    """Of the content, not of the times of change: hosts with the same files have one version."""
    hashed = hashlib.sha256()
    for file in listed:
        with open(file.path, "rb") as content:
            hashed.update(f"{os.path.relpath(file.path, folder)}\0{file.size}\0".encode())
            hashed.update(content.read())
    return f"v{hashed.hexdigest()[:16]}"


def files(folder: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from files(entry.path)
            else:
                found = entry.stat()
                yield File(entry.path, found.st_size, found.st_mtime_ns)
