import secrets
from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement
from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp import media
from rtapp.config import UNSENT_ATTACHMENTS
from rtapp.config import UNSENT_FOR
from rtapp.errors import Unprocessable
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.file_name import cleaned
from rtapp.file_name import suffix_of
from rtapp.media import Refused
from rtapp.models import Attachment
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.storage import Storage

TEXT, CSV = "text/plain", "text/csv"


def store_attachment(sender: Principal, account_id: int, name: str, data: bytes) -> Attachment:
    """Store a file that the sender may send with a message within UNSENT_FOR.

    Its type is that of its content. Raises Unprocessable for one that is not taken, and for more
    files than UNSENT_ATTACHMENTS; StorageAway if the storage does not take it. Publishes nothing.

    The row is written before the file, so that a file without a message is always found again: see
    remove_attachments.py. No connection of the database is held while it waits.
    """
    refuse_many_unsent(sender)
    db.session.commit()
    try:
        found = media.inspected(data)
    except Refused as error:
        raise Unprocessable(f"The file {error}.", errors={"file": [str(error)]}) from error
    is_csv = found.content_type == TEXT and suffix_of(name) == ".csv"
    content_type = CSV if is_csv else found.content_type
    now = clock.now()
    by = "contact_id" if isinstance(sender, Customer) else "user_id"
    row = Attachment(
        key=secrets.token_urlsafe(24),
        account_id=account_id,
        name=cleaned(name, content_type),
        content_type=content_type,
        size=len(data),
        width=found.width,
        height=found.height,
        created_at=now,
        expires_at=now + UNSENT_FOR,
        **{by: sender.id},
    )
    db.session.add(row)
    db.session.commit()
    storage: Storage = current_app.extensions["storage"]
    storage.put(row.key, data)
    if row.thumbnail_key is not None:
        storage.put(row.thumbnail_key, found.thumbnail)
    row.stored = True
    db.session.commit()
    return row


def refuse_many_unsent(sender: Principal) -> None:
    """Raises Unprocessable for a sender who has uploaded many files and sent none of them."""
    query = select(func.count()).where(unsent_of(sender))
    if (db.session.scalar(query) or 0) >= UNSENT_ATTACHMENTS:
        raise Unprocessable(
            f"You have uploaded {UNSENT_ATTACHMENTS} files and not sent them. Send some; those "
            "that are not sent are removed after a day.",
            errors={"file": ["is one too many"]},
        )


def claimed(sender: Principal, account_id: int, keys: Sequence[str]) -> list[dict[str, Any]]:
    """What the message shows of the files with these keys, in their order. They are locked until
    the transaction ends, in which the caller gives them to the message. Raises Unprocessable unless
    each is one of the sender's that can be sent."""
    query = (
        select(Attachment)
        .where(
            unsent_of(sender),
            Attachment.account_id == account_id,
            Attachment.key.in_(keys),
            Attachment.stored.is_(True),
        )
        .order_by(Attachment.id)
        .with_for_update()
    )
    rows = {row.key: row for row in db.session.scalars(query)}
    if missing := len([key for key in keys if key not in rows]):
        db.session.rollback()
        raise Unprocessable(
            f"{missing} of the {len(keys)} files can't be sent: upload them again. A file is kept "
            "for a day before it is sent, and sent once.",
            errors={"attachments": ["must be keys of files that you have uploaded and not sent"]},
        )
    return [presenters.shown_of(rows[key]) for key in keys]


def unsent_of(sender: Principal) -> ColumnElement[bool]:
    own = Attachment.contact_id if isinstance(sender, Customer) else Attachment.user_id
    return (
        (own == sender.id) & Attachment.message_id.is_(None) & (Attachment.expires_at > clock.now())
    )
