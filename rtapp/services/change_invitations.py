"""An account's invitations. Events only say that they have changed."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp.config import INVITED_FOR
from rtapp.config import OPEN_INVITATIONS_PER_ACCOUNT
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Inbox
from rtapp.models import Invitation
from rtapp.models import Membership
from rtapp.models import User

from .enqueue_mail import mail_link
from .link import KEPT_FOR
from .link import LinkToken
from .link import is_open
from .link import new_token
from .link import publish_change
from .link import revoke_link


def create_invitation(
    account_id: int,
    email: str | None,
    *,
    role: str,
    sees: str,
    inbox_ids: Sequence[int],
    by: Agent | None,
) -> tuple[Invitation, LinkToken]:
    """Invite the user of this address, or, with None, the holder of the link.

    It takes the place of the address's open invitation, and is mailed to it. Raises Unprocessable
    for a member's address, for an inbox of another account, and over OPEN_INVITATIONS_PER_ACCOUNT.
    """
    refuse_foreign_inboxes(account_id, inbox_ids)
    if email is not None:
        refuse_member(account_id, email)
        for open_one in open_invitations(account_id, email):
            revoke_link(open_one)
    refuse_more(account_id)
    forget_ended(account_id)
    token, now = new_token(), clock.now()
    invitation = Invitation(
        account_id=account_id,
        email=email,
        role=role,
        sees=sees,
        inbox_ids=sorted(set(inbox_ids)),
        created_by_id=by.id if by is not None else None,
        digest=token.digest,
        created_at=now,
        expires_at=now + INVITED_FOR,
    )
    db.session.add(invitation)
    db.session.flush()
    if email is not None:
        mail_link(invitation, token)
    publish_change(invitation)
    db.session.commit()
    return invitation, token


def revoke_invitation(invitation: Invitation) -> None:
    """End an open invitation. Does nothing to one that has ended."""
    revoke_link(invitation)
    db.session.commit()


def refuse_foreign_inboxes(account_id: int, inbox_ids: Sequence[int]) -> None:
    own = select(Inbox.id).where(Inbox.account_id == account_id, Inbox.id.in_(inbox_ids))
    if set(inbox_ids) - set(db.session.scalars(own)):
        raise Unprocessable(
            "The account has no such inbox. Load the page again, and choose among its inboxes.",
            errors={"inbox_ids": ["must be of inboxes of the account"]},
        )


def refuse_member(account_id: int, email: str) -> None:
    member = (
        select(User.id)
        .join(Membership, Membership.user_id == User.id)
        .where(User.email == email, Membership.account_id == account_id)
    )
    if db.session.scalar(member) is not None:
        raise Unprocessable(
            f"{email} is a member of the account already.",
            errors={"email": ["is that of a member already"]},
        )


def open_invitations(account_id: int, email: str) -> Sequence[Invitation]:
    return db.session.scalars(
        select(Invitation).where(
            Invitation.account_id == account_id,
            Invitation.email == email,
            is_open(Invitation, clock.now()),
        )
    ).all()


def refuse_more(account_id: int) -> None:
    count = (
        select(func.count())
        .select_from(Invitation)
        .where(Invitation.account_id == account_id, is_open(Invitation, clock.now()))
    )
    most = OPEN_INVITATIONS_PER_ACCOUNT
    if (db.session.scalar(count) or 0) >= most:
        raise Unprocessable(
            f"An account has at most {most} open invitations; revoke one first.",
            errors={"email": [f"would be one more than {most} open invitations"]},
        )


def forget_ended(account_id: int) -> None:
    """Delete the account's invitations that have ended KEPT_FOR ago."""
    db.session.execute(
        delete(Invitation)
        .where(
            Invitation.account_id == account_id,
            Invitation.expires_at < clock.now() - KEPT_FOR,
        )
        .execution_options(synchronize_session=False)
    )
