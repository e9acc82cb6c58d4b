"""Files of messages. What somebody else has made must not run as ours: a picture is shown, any
other file is saved, and neither may load, run or send anything (see FILE_POLICY)."""

import io
import logging

from flask import Blueprint
from flask import current_app
from flask import request
from flask import send_file
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.models import Attachment
from rtapp.storage import Storage

bp = Blueprint("attachment", __name__)

PNG = b"\x89PNG"

logger = logging.getLogger(__name__)


@bp.get("/attachments/<string:key>")
def one(key: str) -> Response:
    """The file, as its sender has uploaded it."""
    row = access.attachment_for(auth.current_principal(), key)
    return answer(row, row.key, row.content_type, row.name, is_shown=row.width is not None)


@bp.get("/attachments/<string:key>/thumbnail")
def thumbnail(key: str) -> Response:
    """A small picture of a picture, of its pixels alone. Raises NotFound for other files."""
    row = access.attachment_for(auth.current_principal(), key)
    if row.thumbnail_key is None:
        raise NotFound
    return answer(row, row.thumbnail_key, None, row.name, is_shown=True)


def answer(
    row: Attachment, stored: str, content_type: str | None, name: str, *, is_shown: bool
) -> Response:
    """The stored file, or 304: what a key names never changes. Browsers ask each time, so that
    nothing is shown after its message was deleted, or to the next user of the browser."""
    db.session.commit()  # give the connection back: the storage may be slow
    data = b"" if request.if_none_match.contains(stored) else content(stored, row)
    response = send_file(
        io.BytesIO(data),
        mimetype=content_type or ("image/png" if data.startswith(PNG) else "image/jpeg"),
        as_attachment=not is_shown,
        download_name=name,
        etag=stored,
    )
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.vary.update(("Authorization", "Cookie"))
    return response


def content(stored: str, row: Attachment) -> bytes:
    storage: Storage = current_app.extensions["storage"]
    try:
        return storage.get(stored)
    except FileNotFoundError:
        logger.error("The file of attachment %s is not in the storage", row.id)
        raise NotFound from None
