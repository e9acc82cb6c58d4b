from sqlalchemy import insert
from sqlalchemy import or_
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp import access
from rtapp.errors import Conflict
from rtapp.errors import NotFound
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Draft


def save_draft(writer: Agent, conversation_id: int, *, reply: str, note: str, version: int) -> int:
    """Replace the writer's draft in a conversation that they see. Publishes nothing.

    `version` is the one that the new texts are based on, 0 for none. Returns the new version; for
    the texts that are stored already the present one, whatever `version` is. Raises Conflict for
    any other version than the stored one: another device has written meanwhile. Raises NotFound if
    the conversation was merged meanwhile: the merge has not moved these texts.
    """
    stored = change(writer.id, conversation_id, reply, note, version)
    if access.kept_for(conversation_id):  # once the row is written: see unite_drafts
        db.session.rollback()
        raise NotFound
    if stored is None:
        present = presenters.draft(access.own_draft(writer, conversation_id))
        if (present["reply"], present["note"]) != (reply, note):
            detail = "This draft was changed on another device; look at it and decide again."
            raise Conflict(detail, current=present)
        stored = present["version"]
    db.session.commit()
    return stored


def change(writer_id: int, conversation_id: int, reply: str, note: str, version: int) -> int | None:
    """Return the new version, or None if the stored one is not `version` or has the same texts.

    One statement compares and writes, so of two devices with one version one comes first. It locks
    no row but the draft's: nobody else's action waits for a user who types.
    """
    if version == 0:
        return begin(writer_id, conversation_id, reply, note)
    changed: int | None = db.session.scalar(
        update(Draft)
        .where(
            Draft.user_id == writer_id,
            Draft.conversation_id == conversation_id,
            Draft.version == version,
            or_(Draft.reply != reply, Draft.note != note),
        )
        .values(reply=reply, note=note, version=Draft.version + 1)
        .returning(Draft.version)
        .execution_options(synchronize_session=False)
    )
    return changed


def begin(writer_id: int, conversation_id: int, reply: str, note: str) -> int | None:
    if not (reply or note):
        return None
    first = insert(Draft).values(
        user_id=writer_id, conversation_id=conversation_id, reply=reply, note=note
    )
    try:
        begun: int | None = db.session.scalar(first.returning(Draft.version))
    except IntegrityError:  # there is a draft
        db.session.rollback()
        return None
    return begun
