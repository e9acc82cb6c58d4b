"""Settings pages: the navigation that they share, and what a page with rows that are made, changed
and deleted by plain forms needs."""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from flask import render_template
from flask import request
from flask import url_for

from rtapp import access
from rtapp.errors import Problem
from rtapp.errors import wants_html
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import User
from rtapp.validation import Body

from .cursor import cursor_of


class Entry(NamedTuple):
    """A page of the navigation: its endpoint, and whether it is for administrators alone."""

    title: str
    endpoint: str
    administrators: bool = False


# The pages of an account, by its id, and those of the user alone.
ACCOUNT = (
    Entry("Members", "member.several", administrators=True),
    Entry("Invitations", "invitation.several", administrators=True),
    Entry("Password links", "password_link.several", administrators=True),
    Entry("Inboxes", "inbox_settings.several", administrators=True),
    Entry("Account", "account.one", administrators=True),
    Entry("Labels", "label.several"),
    Entry("Canned replies", "canned_reply.several"),
    Entry("Inspect", "inspection.several", administrators=True),
    Entry("Doctor", "doctor.page", administrators=True),
)
OWN = (
    Entry("Your profile", "profile.own"),
    Entry("Two-step sign-in", "second_factor.own"),
    Entry("Sessions", "session.several"),
    Entry("Tokens", "token.several"),
)


class Link(NamedTuple):
    """A link of the navigation. `here`: it is that of the page itself."""

    title: str
    url: str
    here: bool


class NoFields(Body):
    """The body of a deletion."""


class Refusal(NamedTuple):
    """A refused form: that of the row `id`, or of a new one. `errors`: field → sentence."""

    id: int | None
    fields: Mapping[str, str]
    errors: Mapping[str, str]
    detail: str


def refusal(problem: Problem, id: int | None) -> Refusal:
    """What the page shows of a refused form. Raises `problem` for a client that wants JSON."""
    if not wants_html() or request.is_json:
        raise problem
    errors = {name: ", and ".join(wrong) for name, wrong in (problem.errors or {}).items()}
    return Refusal(id, request.form.to_dict(), errors, problem.detail)


def fresh_cursor(account_id: int) -> str:
    """The cursor of a page, whose rows are read after it."""
    cursor = cursor_of(account_id)
    db.session.expire_all()
    return cursor


def own_cursor(user: User) -> str:
    """Likewise, of a page of the user's own; empty for a member of no account, who has no stream
    of one."""
    account_id = first_account(user)
    return fresh_cursor(account_id) if account_id is not None else ""


def settings_page(
    template: str, user: User, account_id: int | None, *, cursor: str = "", **context: Any
) -> str:
    """A settings page, with the navigation of the user in the account; without an account, of the
    pages of their own. Such a page goes back to their first account.

    A page with a `cursor`, which was read before its rows, loads itself again as these change.
    """
    own = account_id if account_id is not None else first_account(user)
    return render_template(
        template,
        me=user,
        account=db.session.get(Account, own) if own is not None else None,
        account_links=links(user, own),
        own_links=[link_to(entry) for entry in OWN],
        cursor=cursor,
        **context,
    )


def links(user: User, account_id: int | None) -> list[Link]:
    """The pages of the account that the user may open."""
    if account_id is None:
        return []
    may_change = access.is_administrator(user, account_id)
    return [
        link_to(entry, account_id=account_id)
        for entry in ACCOUNT
        if may_change or not entry.administrators
    ]


def link_to(entry: Entry, **values: Any) -> Link:
    blueprint = entry.endpoint.partition(".")[0]
    return Link(entry.title, url_for(entry.endpoint, **values), request.blueprint == blueprint)


def first_account(user: User) -> int | None:
    return user.memberships[0].account_id if user.memberships else None
