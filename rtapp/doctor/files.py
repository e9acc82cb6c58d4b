"""The storage of files takes a file, and deletes it again."""

from flask import current_app

from rtapp.storage import Storage
from rtapp.storage import StorageAway

from .finding import Finding

NAME = "files"
LIMIT = 8.0  # s


def check() -> list[Finding]:
    storage: Storage = current_app.extensions["storage"]
    try:
        storage.check(LIMIT)
    except StorageAway:
        return [
            Finding(
                NAME, "problem", f"The storage of files ({storage.place}) does not take them.",
                "See RTAPP_FILES and the credentials beside it; the log has the reason. Until "
                "then no file can be sent or read.",
            )
        ]  # fmt: skip
    return [Finding(NAME, "ok", f"Files are stored in {storage.place}.")]
