from datetime import datetime

from flask import current_app
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update

from rtapp.extensions import db
from rtapp.models import Attachment
from rtapp.storage import Storage

MAX_REMOVED = 20  # in one call
DUE = select(Attachment).where(Attachment.expires_at <= bindparam("now")).limit(MAX_REMOVED)


def remove_attachments(now: datetime) -> int:
    """Remove files that were not sent in time, or whose message was deleted, and their rows.

    Returns how many there were. Raises StorageAway; the rows stay then, and are found again. Two
    processes may remove one file: the second finds it removed.
    """
    storage: Storage = current_app.extensions["storage"]
    rows = list(db.session.scalars(DUE, {"now": now}))
    db.session.commit()
    for row in rows:
        # First, because it can't be sent any more then.
        is_due = (Attachment.id == row.id) & (Attachment.expires_at <= now)
        ended = update(Attachment).where(is_due).values(stored=False).returning(Attachment.id)
        is_ended = db.session.execute(ended).scalar() is not None
        db.session.commit()
        if not is_ended:
            continue
        for key in filter(None, (row.thumbnail_key, row.key)):
            storage.delete(key)
        db.session.execute(delete(Attachment).where(Attachment.id == row.id))
        db.session.commit()
    return len(rows)
