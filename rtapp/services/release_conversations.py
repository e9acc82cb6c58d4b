"""The conversations of a member who loses access: in the transaction that takes it away, those that
they no longer see are unassigned, so that none waits for somebody who can't answer.

The conversations are locked first, then the account, then the membership; an assignment locks the
conversation, then the membership of the new assignee (`assign.required_assignee`). So a member gets
none meanwhile that they do not see.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlalchemy import case
from sqlalchemy import insert
from sqlalchemy import not_
from sqlalchemy import select
from sqlalchemy import true
from sqlalchemy import update

from rtapp import access
from rtapp import clock
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import User
from rtapp.models.conversation import ENDED
from rtapp.text import isolated

from .account_rows import reset_members
from .assign import set_assignee
from .auto_assign import await_assignee
from .last_administrator import lock_account
from .row_lock import unlock

APART = 50  # conversations of one release with events of their own; for the rest, stream.reset
AT_ONCE = 500  # rows of one statement, and threads of one reset


def lock_member(user_id: int, account_id: int) -> Membership | None:
    """Lock the user's conversations in the account, the account and the membership, until the
    transaction ends. Returns the membership as it is now, None if there is none any more."""
    own = select(Conversation.id).where(*assigned(user_id, account_id)).order_by(Conversation.id)
    while True:
        locked = set(db.session.scalars(own.with_for_update(key_share=True)))
        lock_account(account_id)
        membership: Membership | None = db.session.scalar(
            select(Membership)
            .where(Membership.account_id == account_id, Membership.user_id == user_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if locked.issuperset(db.session.scalars(own)):
            return membership
        unlock()  # one was assigned to them meanwhile: it comes before the account


def release_conversations(
    user: User, account_id: int, by: User | None, *, disabled: bool = False
) -> set[int]:
    """Unassign the user's conversations that they do not see now, or all if they are `disabled`.
    `by`: who changed their access; without one (a command) the user stands for it. Returns the ids
    of those that are announced as removed from the user's lists.

    Part of the caller's transaction, which has called `lock_member` and then made the change. Of
    more than APART conversations, clients fetch the others again; those that are open come first.
    """
    lost = true() if disabled else not_(access.SEEN)
    unseen = (
        select(Conversation)
        .where(*assigned(user.id, account_id), lost)
        .order_by(Conversation.status.in_(ENDED), Conversation.id.desc())
        .with_for_update(key_share=True, of=Conversation)
        .execution_options(populate_existing=True)
    )
    why = "can't sign in any more" if disabled else "no longer sees this"
    author, text = by or user, f"{isolated(user.name)} {why}, so it is unassigned"
    first = db.session.scalars(unseen.limit(APART), {"viewer": user.id}).all()
    for conversation in sorted(first, key=lambda row: row.id):
        set_assignee(conversation, None, author, text)
        await_assignee(conversation)
    db.session.flush()
    release_merged(user.id, account_id, disabled=disabled)
    rest = db.session.scalars(
        unseen.with_only_columns(Conversation.id).order_by(None), {"viewer": user.id}
    ).all()
    for start in range(0, len(rest), AT_ONCE):
        release_at_once(sorted(rest)[start : start + AT_ONCE], account_id, author, text)
    if rest:
        reset_members(account_id)
    return {row.id for row in first}


def release_merged(user_id: int, account_id: int, *, disabled: bool) -> None:
    """The same for merged ones, which nobody sees: they have their assignee again when the merge is
    undone."""
    db.session.execute(
        update(Conversation)
        .where(
            Conversation.account_id == account_id,
            Conversation.assignee_id == user_id,
            Conversation.merged_into_id.is_not(None),
            true() if disabled else not_(access.SEEN_UNMERGED),
        )
        .values(assignee_id=None, version=Conversation.version + 1)
        .execution_options(synchronize_session=False),
        {"viewer": user_id},
    )


def release_at_once(ids: Sequence[int], account_id: int, author: User, text: str) -> None:
    now = clock.now()
    line = {"account_id": account_id, "user_id": author.id, "message_type": "activity"}
    times = {"created_at": now, "updated_at": now}
    db.session.execute(
        insert(Message),
        [{**line, **times, "conversation_id": id, "content": text} for id in ids],
    )
    automatic = select(Inbox.id).where(Inbox.auto_assign.is_(True))
    awaits = (Conversation.status == "open") & Conversation.inbox_id.in_(automatic)
    db.session.execute(
        update(Conversation)
        .where(Conversation.id.in_(ids))
        .values(
            assignee_id=None,
            awaits_assignee_since=case((awaits, now)),
            last_activity_at=now,
            version=Conversation.version + 1,
            assignee_version=Conversation.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    announce.threads_lost(ids, account_id)


def assigned(user_id: int, account_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        Conversation.account_id == account_id,
        Conversation.assignee_id == user_id,
        access.UNMERGED,
    )
