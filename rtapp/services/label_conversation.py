from collections.abc import Collection

from sqlalchemy import select

from rtapp.config import LABELS_PER_CONVERSATION
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Label
from rtapp.text import isolated

from .row_lock import lock_unmerged
from .row_lock import refuse_unaware
from .row_lock import touch
from .row_lock import unlock
from .write_activity import write_activity

CHANGED = "The labels were changed meanwhile. Look at them and decide again."


def set_labels(
    user: Agent, conversation: Conversation, ids: Collection[int], *, version: int | None = None
) -> None:
    """Make these the conversation's labels. The same ones publish nothing.

    Raises Unprocessable for a label that the account does not have and for more than
    LABELS_PER_CONVERSATION, Conflict if the labels have changed since `version`.
    """
    lock_unmerged(conversation)
    replace(user, conversation, labels_of(conversation.account_id, ids, "labels"), version)


def add_label(
    user: Agent, conversation: Conversation, id: int, *, version: int | None = None
) -> None:
    """Add one label to those that the conversation has. Raises as `set_labels`."""
    lock_unmerged(conversation)
    added = labels_of(conversation.account_id, [id], "add")
    replace(user, conversation, {*conversation.labels, *added}, version)


def remove_label(
    user: Agent, conversation: Conversation, id: int, *, version: int | None = None
) -> None:
    """Remove one label from those that the conversation has. Raises as `set_labels`."""
    lock_unmerged(conversation)
    removed = labels_of(conversation.account_id, [id], "remove")
    replace(user, conversation, {*conversation.labels} - removed, version)


def labels_of(account_id: int, ids: Collection[int], field: str) -> set[Label]:
    """The account's labels with these ids, which no other transaction deletes before this one ends.

    Raises Unprocessable, with an error of `field`, if one is missing.
    """
    query = (
        select(Label)
        .where(Label.account_id == account_id, Label.id.in_(ids))
        .order_by(Label.id)
        .with_for_update(read=True, key_share=True)
    )
    found = set(db.session.scalars(query))
    if {label.id for label in found} != set(ids):
        raise Unprocessable(
            "There is no such label in this account; it may have been deleted.",
            errors={field: ["names a label that the account does not have"]},
        )
    return found


def replace(
    user: Agent, conversation: Conversation, labels: set[Label], version: int | None
) -> None:
    """Part of a transaction that holds the lock. It commits."""
    previous = set(conversation.labels)
    if labels == previous:
        unlock()
        return
    refuse_unaware(conversation, version, conversation.labels_version, CHANGED)
    if len(labels) > LABELS_PER_CONVERSATION:
        most = f"must be at most {LABELS_PER_CONVERSATION}"
        raise Unprocessable(
            f"The labels of a conversation {most}; remove one first.", errors={"labels": [most]}
        )
    conversation.labels = in_order(labels)
    touch(conversation)
    conversation.labels_version = conversation.version
    db.session.flush()
    announce.labels_changed(conversation, user)
    write_activity(conversation, user, activity_text(user, labels - previous, previous - labels))
    announce.conversation_updated(conversation)
    db.session.commit()


def in_order(labels: Collection[Label]) -> list[Label]:
    return sorted(labels, key=lambda label: label.folded)


def activity_text(user: Agent, added: Collection[Label], removed: Collection[Label]) -> str:
    done = [
        f"{verb} {', '.join(isolated(label.title) for label in in_order(labels))}"
        for verb, labels in (("added", added), ("removed", removed))
        if labels
    ]
    return f"{isolated(user.name)} {', '.join(done)}"
