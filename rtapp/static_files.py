"""Static files: minified, compressed, at an address that changes with the content of all of them.

The version stands in the path, before the file's name, so a module that imports another one by a
relative path gets that one at the same version. Such an address is cached for ever (RFC 8246).
Nothing is built: files are read, minified and bundled together, and compressed as they are first
asked for.
"""

import hashlib
import mimetypes
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from typing import NamedTuple

import rjsmin
from flask import Flask
from flask import Response
from flask import abort
from flask import g
from flask import request
from werkzeug.routing import BaseConverter

from . import content_codings
from .bundle import bundled

CACHED_FOR = 365 * 24 * 60 * 60  # s
ENDPOINT = "static"
# The scripts of several modules, beside the module with which they begin. See bundle.py.
BUNDLES = {"js/chat/bundle.js": "js/chat/chat.js"}
COMPRESSIBLE = re.compile(r"text/|application/(javascript|json)$|image/svg\+xml$")


class VersionConverter(BaseConverter):
    """A version in a URL: no file or folder has such a name."""

    regex = "v[0-9a-f]{16}"


class File(NamedTuple):
    """A file as its folder lists it, to find whether its content may have changed."""

    path: str
    size: int
    changed_at: int


class Release(NamedTuple):
    """All static files as they are served, by their names in the folder, and their version."""

    version: str
    bodies: dict[str, bytes]


def init_app(app: Flask) -> None:
    """Add the addresses with a version to Flask's own ones, which stay, and are revalidated.

    Production serves the files as they are now, all of one release, whatever happens to the folder.
    Development serves what is in the folder at each request.
    """
    folder = app.static_folder
    assert folder is not None
    fixed = release_in(folder) if app.config["PRODUCTION"] else None

    def present() -> Release:
        if "static_release" not in g:  # a page names many files
            g.static_release = fixed or release_in(folder)
        release: Release = g.static_release
        return release

    def serve(filename: str, version: str | None = None) -> Response:
        """A file. With a version other than the present one (of another release, on another host),
        it is the present file, and is revalidated."""
        release = present()
        if filename not in release.bodies:
            abort(HTTPStatus.NOT_FOUND)
        response = answer(filename, release.bodies[filename])
        if version == release.version:
            response.headers["Cache-Control"] = f"public, max-age={CACHED_FOR}, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response

    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == ENDPOINT:
            values.setdefault("version", present().version)

    app.url_map.converters["version"] = VersionConverter
    app.add_url_rule(f"{app.static_url_path}/<version:version>/<path:filename>", ENDPOINT)
    app.view_functions[ENDPOINT] = serve
    app.url_defaults(add_version)


def answer(filename: str, body: bytes) -> Response:
    """The part of the file that the request asks for, in the coding that it accepts best.

    Raises RequestedRangeNotSatisfiable. A range is one of the bytes in that coding (RFC 9110,
    section 14.1).
    """
    mimetype = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    coding = content_codings.IDENTITY
    response = Response(mimetype=mimetype)
    if COMPRESSIBLE.match(mimetype):
        coding = content_codings.best(request.accept_encodings)
        response.vary.add("Accept-Encoding")
    if coding != content_codings.IDENTITY:
        response.content_encoding = coding
    representation = content_codings.represented(body, coding)
    response.set_data(representation.body)
    response.set_etag(representation.etag)
    response.make_conditional(
        request.environ, accept_ranges=True, complete_length=len(representation.body)
    )
    return response


def version_of(folder: str) -> str:
    """The version of the files in the folder as they are now, in development and production."""
    return release_in(folder).version


def release_in(folder: str) -> Release:
    """The files in the folder as they are now."""
    return read(folder, tuple(sorted(files(folder))))


@lru_cache(maxsize=8)
def read(folder: str, listed: tuple[File, ...]) -> Release:
    """The version is of the content, not of the times of change: hosts with the same files have
    one version. It is of the content as it is served, so another minifier makes another one."""
    contents = {}
    for file in listed:
        with open(file.path, "rb") as opened:
            contents[os.path.relpath(file.path, folder)] = opened.read()
    for name, entry in BUNDLES.items():
        if entry in contents:
            contents[name] = bundled(entry, lambda each: contents[each].decode()).encode()
    hashed = hashlib.sha256()
    bodies = {}
    for name, content in contents.items():
        body = minified(name, content)
        hashed.update(f"{name}\0{len(body)}\0".encode())
        hashed.update(body)
        bodies[name] = body
    return Release(f"v{hashed.hexdigest()[:16]}", bodies)


def minified(name: str, body: bytes) -> bytes:
    """A script without its comments, a third of it; any other file as it is."""
    return bytes(rjsmin.jsmin(body)) if name.endswith(".js") else body


def files(folder: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from files(entry.path)
            elif entry.is_file():  # not the lock of an editor, a link to nothing
                found = entry.stat()
                yield File(entry.path, found.st_size, found.st_mtime_ns)
