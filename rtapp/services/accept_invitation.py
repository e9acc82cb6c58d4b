import logging

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rtapp.errors import Forbidden
from rtapp.errors import Unauthorized
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Invitation
from rtapp.models import Membership
from rtapp.models import User

from .add_member import add_member
from .link import use_link

SIGN_IN_FIRST = "{} has an account here already. Sign in with it, then open the link again."

logger = logging.getLogger(__name__)


def accept_invitation(invitation: Invitation, user: User) -> None:
    """Make the user a member of the account. Does nothing if they are one already: the invitation
    stays open then.

    Raises Forbidden for another address than the invitation's, Gone if it is not open any more.
    """
    refuse_other_address(invitation, user)
    if is_member(invitation, user):
        return
    use_link(invitation)
    invitation.used_by_id = user.id
    try:
        join(invitation, user)
        db.session.commit()
    except IntegrityError:  # they have accepted another invitation at the same time
        db.session.rollback()


def accept_as_new_user(invitation: Invitation, email: str, name: str, password_hash: str) -> User:
    """Make a user, and a member of the account.

    Raises Unauthorized if the invited address has a user, who must sign in; Unprocessable if
    another one has; Gone if the invitation is not open any more.
    """
    use_link(invitation)
    user = User(name=name, email=email, password_hash=password_hash)
    db.session.add(user)
    try:
        db.session.flush()
        invitation.used_by_id = user.id
        join(invitation, user)
        db.session.commit()
    except IntegrityError:  # the address has a user
        db.session.rollback()
        refuse_known_address(invitation, email)
        raise
    return user


def join(invitation: Invitation, user: User) -> None:
    add_member(
        invitation.account_id,
        user,
        role=invitation.role,
        sees=invitation.sees,
        inbox_ids=invitation.inbox_ids,
    )
    logger.info(
        "User %s joins account %s by invitation %s", user.id, invitation.account_id, invitation.id
    )


def is_member(invitation: Invitation, user: User) -> bool:
    member = select(Membership.id).where(
        Membership.account_id == invitation.account_id, Membership.user_id == user.id
    )
    return db.session.scalar(member) is not None


def has_user(email: str) -> bool:
    return db.session.scalar(select(User.id).where(User.email == email)) is not None


def is_for_another(invitation: Invitation, user: User) -> bool:
    return invitation.email not in (None, user.email)


def refuse_other_address(invitation: Invitation, user: User) -> None:
    if is_for_another(invitation, user):
        raise Forbidden(
            f"This invitation is for {invitation.email}, and you are signed in as {user.email}. "
            "Sign out, then open the link again."
        )


def refuse_known_address(invitation: Invitation, email: str) -> None:
    if not has_user(email):
        return
    if invitation.email is not None:
        raise Unauthorized(SIGN_IN_FIRST.format(email))
    raise Unprocessable(
        SIGN_IN_FIRST.format(email),
        errors={"email": ["has an account here already: sign in first, then open the link again"]},
    )
