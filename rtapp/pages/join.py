"""Where an invitation's link leads: its holder becomes a member of the account, as the user who is
signed in, or as a new one. The links stand in pages/invitation.py."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import render_template
from flask import session
from flask import url_for
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import validation
from rtapp.clock import rfc3339
from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import Gone
from rtapp.errors import Unauthorized
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.models import Invitation
from rtapp.models import User
from rtapp.models import lock_user
from rtapp.passwords import hashed_aside
from rtapp.services.accept_invitation import accept_as_new_user
from rtapp.services.accept_invitation import accept_invitation
from rtapp.services.accept_invitation import has_user
from rtapp.services.accept_invitation import is_for_another
from rtapp.services.accept_invitation import is_member
from rtapp.services.accept_invitation import refuse_known_address
from rtapp.services.link import link_with
from rtapp.services.link import refuse_ended
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import Name
from rtapp.validation import NewPassword
from rtapp.validation import OrNone

from .links import GivenToken
from .links import digest_in
from .links import given
from .links import opened
from .links import used_just_now
from .login import admit
from .management import Refusal
from .management import refusal
from .me import described

bp = Blueprint("join", __name__)


class Acceptance(Body):
    """Of a user who is signed in. `token`: not for the browser that opened the link."""

    token: GivenToken | None = None


class NewUser(Body):
    """`email`: as invited, or any if the invitation has none."""

    token: GivenToken | None = None
    name: Annotated[Name, Field(max_length=200)]
    email: Annotated[Annotated[Address, Field(max_length=254)] | None, OrNone] = None
    password: NewPassword


@bp.get("/join")
def page() -> Response | str:
    """An invitation as its holder sees it, by the token of its link."""
    if (redirected := opened(auth.INVITATION)) is not None:
        return redirected
    invitation = link_with(Invitation, digest_in(auth.INVITATION, given()))
    user = auth.user_if_signed_in()
    if user is None or is_for_another(invitation, user) or not is_member(invitation, user):
        refuse_ended(invitation)
    if wants_html():
        return join_page(invitation, user)
    return jsonify(
        account={"id": invitation.account_id, "name": invitation.account.name},
        email=invitation.email,
        role=invitation.role,
        expires_at=rfc3339(invitation.expires_at),
    )


@bp.post("/join")
def join() -> Response | tuple[str, int]:
    """Accept an invitation: as the user who is signed in, else as a new one, and sign in."""
    try:
        return accept(Acceptance)
    except Gone:
        if (repeated := used_just_now(Invitation, auth.INVITATION)) is None:
            raise
        return redirect(inbox_of(repeated), 303)


def accept(model: type[Acceptance]) -> Response | tuple[str, int]:
    user = auth.user_if_signed_in()
    if user is None:
        return join_as_new_user()
    token = validation.body(model).token
    invitation = link_with(Invitation, digest_in(auth.INVITATION, token))
    accept_invitation(invitation, user)
    return welcome(invitation, user)


def join_as_new_user() -> Response | tuple[str, int]:
    try:
        new = validation.body(NewUser)
    except Unprocessable as problem:
        return refused_page(problem, digest_in(auth.INVITATION, None))
    digest = digest_in(auth.INVITATION, new.token)
    invitation = link_with(Invitation, digest)
    refuse_ended(invitation)  # before the hash, which takes its time
    try:
        email = address_of(invitation, new.email)
        refuse_known_address(invitation, email)
        user = accept_as_new_user(invitation, email, new.name, hashed_aside(new.password))
    except Unprocessable as problem:
        return refused_page(problem, digest)
    except Unauthorized:
        if not wants_html():
            raise
        return redirect(url_for("join.page"), 303)  # which has the way to sign in
    session.pop(auth.INVITATION, None)
    lock_user(user.id)
    return admit(user, inbox_of(invitation))


def address_of(invitation: Invitation, email: str | None) -> str:
    """The new user's address. Raises Unprocessable without one, or for another than was invited:
    the administrator decided whom to let in."""
    if invitation.email is None and email is None:
        raise Unprocessable(
            "The body can't be used: email is missing.", errors={"email": ["is missing"]}
        )
    if invitation.email is not None and email not in (None, invitation.email):
        raise Unprocessable(
            f"This invitation is for {invitation.email} only.",
            errors={"email": [f"must be {invitation.email}, which was invited"]},
        )
    return invitation.email or email or ""


def welcome(invitation: Invitation, user: User) -> Response:
    session.pop(auth.INVITATION, None)
    if wants_html():
        return redirect(inbox_of(invitation), 303)
    return described(user)


def inbox_of(invitation: Invitation) -> str:
    return url_for("conversation.several", account_id=invitation.account_id)


def refused_page(problem: Unprocessable, digest: str | None) -> tuple[str, int]:
    refused = refusal(problem, None)
    invitation = link_with(Invitation, digest)
    refuse_ended(invitation)
    return join_page(invitation, None, refused), 422


def join_page(invitation: Invitation, user: User | None, refused: Refusal | None = None) -> str:
    return render_template(
        "join.html",
        invitation=invitation,
        user=user,
        is_member=user is not None and is_member(invitation, user),
        is_other=user is not None and is_for_another(invitation, user),
        has_user=invitation.email is not None and has_user(invitation.email),
        password_length=PASSWORD_LENGTH,
        password_limit=PASSWORD_LIMIT,
        refused=refused,
    )
