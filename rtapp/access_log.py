"""What an access log may have of a request: nothing that can be a secret."""

from http import HTTPMethod
from typing import Any

from flask import Flask
from flask.globals import request_ctx

from . import addresses

PATH = "rtapp.path"  # in the WSGI environ
NOTHING = "-"  # in place of what may be any text
METHODS = {method.value for method in HTTPMethod}
VERSIONS = ("HTTP/0.9", "HTTP/1.0", "HTTP/1.1")


def init_app(app: Flask) -> None:
    app.before_request(note_path)


def note_path() -> None:
    """Note the path of an endpoint with ids, else the endpoint's rule. Any other path may have a
    token in it, for example if the `?` before it is missing."""
    here = request_ctx.request
    if here.url_rule is not None:
        only_ids = all(isinstance(value, int) for value in (here.view_args or {}).values())
        here.environ[PATH] = here.path if only_ids else here.url_rule.rule


def loggable(environ: dict[str, Any]) -> dict[str, str]:
    """Return the part of the environ that an access log may have, without queries and headers."""
    method, version = environ.get("REQUEST_METHOD"), environ.get("SERVER_PROTOCOL")
    path = environ.get(PATH, NOTHING)
    return {
        "REMOTE_ADDR": addresses.client(environ),
        "REQUEST_METHOD": method if method in METHODS else NOTHING,
        "RAW_URI": path,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": version if version in VERSIONS else NOTHING,
    }
