"""The invitations into an account: a list, and the page on which administrators make and revoke
them. pages/join.py has what an invitation's link leads to."""

from typing import Annotated
from typing import Any
from typing import Literal
from typing import NamedTuple

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import BeforeValidator
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import clock
from rtapp import ratelimits
from rtapp import validation
from rtapp.answers import done
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Invitation
from rtapp.models import User
from rtapp.services.change_invitations import create_invitation
from rtapp.services.change_invitations import revoke_invitation
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import OrNone
from rtapp.validation import RowId

from .inbox_settings import inboxes_of
from .links import url_for_copying
from .management import NoFields
from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page
from .member import ticked

bp = Blueprint("invitation", __name__)

LISTED = 200  # the newest ones

InboxIds = Annotated[list[RowId], Field(max_length=50)]


class InvitationFields(Body):
    email: Annotated[Annotated[Address, Field(max_length=254)] | None, OrNone] = None
    role: Literal["administrator", "agent"] = "agent"
    sees: Literal["inbox", "assigned"] = "inbox"
    inbox_ids: Annotated[InboxIds, BeforeValidator(ticked)] = Field(default_factory=list)


class Made(NamedTuple):
    """What the page shows once: the link of the invitation that was just made."""

    row: Invitation
    url: str


@bp.get("/accounts/<id:account_id>/settings/invitations")
def several(account_id: int) -> Response | str:
    """The account's invitations with their state, newest first, as a page or as JSON."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), access.INVITE)
    if wants_html():
        return page(user, account_id)
    return jsonify(invitations=[presenters.invitation(row) for row in invitations_of(account_id)])


@bp.post("/accounts/<id:account_id>/settings/invitations")
@ratelimits.inviting
def create(account_id: int) -> Response | tuple[str, int]:
    """Invite somebody. The answer has the link, which is not shown again."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), access.INVITE)
    try:
        new = validation.body(InvitationFields)
        row, token = create_invitation(account_id, **new.model_dump(), by=user)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, None)), 422
    made = Made(row, url_for_copying(Invitation, token))
    if wants_html():
        return page(user, account_id, made=made), 201
    return answer_with_link(presenters.invitation(row), made.url)


@bp.post("/invitations/<id:invitation_id>/revoke")
def revoke(invitation_id: int) -> Response:
    """End an open invitation: its link leads nowhere any more."""
    invitation = access.invitation_for(auth.signed_in(), invitation_id)
    validation.body(NoFields)
    revoke_invitation(invitation)
    return done(url_for("invitation.several", account_id=invitation.account_id))


def answer_with_link(body: dict[str, Any], url: str) -> Response:
    response = jsonify({**body, "url": url})
    response.status_code = 201
    return response


def page(
    user: User, account_id: int, refused: Refusal | None = None, made: Made | None = None
) -> str:
    """The page that shows a new link does not load itself again: the link would be gone."""
    cursor = fresh_cursor(account_id) if made is None else ""
    inboxes = inboxes_of(account_id)
    return settings_page(
        "manage/invitations.html",
        user,
        account_id,
        cursor=cursor,
        invitations=invitations_of(account_id),
        now=clock.now(),
        inboxes=inboxes,
        inbox_names={inbox.id: inbox.name for inbox in inboxes},
        refused=refused,
        made=made,
    )


def invitations_of(account_id: int) -> list[Invitation]:
    query = (
        select(Invitation)
        .where(Invitation.account_id == account_id)
        .options(selectinload(Invitation.created_by), selectinload(Invitation.used_by))
        .order_by(Invitation.created_at.desc(), Invitation.id.desc())
        .limit(LISTED)
    )
    return list(db.session.scalars(query))
