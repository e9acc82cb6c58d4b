"""Invitations and password links: the administrators' pages, and bad input."""

import re

import pytest

from rtapp.extensions import db
from rtapp.models import Account

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals

INVITATIONS = "/accounts/1/settings/invitations"
HTML = {"Accept": "text/html"}
PASSWORD_LINKS = "/accounts/1/settings/password-links"
BAD = {
    "email": [
        1, " ", "nora", "@example.com", "a@b@c", "no ra@example.com", "x" * 255 + "@x.example",
        "a\x00@example.com", "a\r\nBcc: x@example.com", "a\u200b@example.com", ["x"],
    ],
    "role": [None, "owner", 1, ""],
    "sees": [None, "all", 1],
    "inbox_ids": [None, 1, "1", [99], [1, 99], list(range(1, 52))],
}  # fmt: skip

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def form(client, path, **fields):
    return client.app.test_client().post(path, data=fields, headers={**client.headers, **HTML})


def test_making_an_invitation_refuses_bad_input(app, other):
    good = {"email": "nora@example.com", "role": "agent", "sees": "inbox", "inbox_ids": [1]}
    Refusals(app, other).check(
        Action(
            path="/accounts/{id}/settings/invitations", id=1, body=good, required=[], bad=BAD,
            foreign="account", grace=403,
        ),
        Case("an agent", 403, body=good, principal="kevin"),
        *(Case(f"the inbox {id!r}", 422, "inbox_ids.0", {**good, "inbox_ids": [id]})
          for id in (0, "1", 1.5, True, None)),
        Case("a member's address", 422, "email", {"email": "KEVIN@example.com"}),
        Case("an inbox of another account", 422, "inbox_ids", {"inbox_ids": [other.inbox]}),
    )  # fmt: skip


def test_revoking_an_invitation_refuses_bad_input(app, other, ada):
    assert ada.post(INVITATIONS, {}).status_code == 201
    Refusals(app, other).check(
        Action(path="/invitations/{id}/revoke", id=1, body={}, required=[], bad={}, grace=403),
        Case("an agent", 403, body={}, principal="kevin"),
    )


def test_making_a_password_link_refuses_bad_input(app, other, kevin):
    Refusals(app, other).check(
        Action(
            path="/accounts/{id}/settings/password-links", id=1, body={"user_id": kevin.id},
            required=["user_id"], foreign="account", grace=403,
            bad={"user_id": [None, "2", 0, -1, 2.5, True, 2**31, [2], 999, other.user]},
        ),
        Case("an agent", 403, body={"user_id": 3}, principal="kevin"),
        Case("oneself", 403, body={"user_id": 1}),
    )  # fmt: skip


def test_revoking_a_password_link_refuses_bad_input(app, other, ada, kevin):
    assert ada.post(PASSWORD_LINKS, {"user_id": kevin.id}).status_code == 201
    Refusals(app, other).check(
        Action(path="/password-links/{id}/revoke", id=1, body={}, required=[], bad={}, grace=404),
        Case("an agent", 404, body={}, principal="kevin"),
    )


@sqlite
def test_the_page_makes_shows_lists_and_revokes_an_invitation(ada):
    made = form(
        ada, INVITATIONS, email="Nora@example.com", role="agent", sees="assigned",
        **{"inbox_ids.1": "true", "inbox_ids.2": "true"},
    )  # fmt: skip
    assert made.status_code == 201
    assert re.search(r'value="http://localhost/join\?token=[\w-]{43}" readonly', made.text)
    assert "no mail is sent" in made.text
    assert "Orders by email" in made.text.partition('class="managed"')[2]
    page = ada.page(INVITATIONS).text
    assert "nora@example.com" in page
    assert "token=" not in page
    assert form(ada, "/invitations/1/revoke").location == INVITATIONS
    assert "Revoked" in ada.page(INVITATIONS).text


@sqlite
def test_a_refused_form_keeps_what_was_entered_and_has_the_error_at_its_field(ada):
    refused = form(
        ada, INVITATIONS, email="kevin@example.com", role="administrator", sees="assigned",
        **{"inbox_ids.2": "true"},
    )  # fmt: skip
    assert refused.status_code == 422
    assert "It is that of a member already." in refused.text
    assert 'aria-describedby="new-email-problem"' in refused.text
    assert 'value="kevin@example.com"' in refused.text
    assert re.search(r'name="inbox_ids.2" value="true" checked', refused.text)
    assert not re.search(r'name="inbox_ids.1" value="true" checked', refused.text)
    assert re.search(r'<option value="administrator" selected', refused.text)


@sqlite
def test_the_page_makes_shows_lists_and_revokes_a_password_link(ada, kevin):
    made = form(ada, PASSWORD_LINKS, user_id=kevin.id)
    assert made.status_code == 201
    assert re.search(r'value="http://localhost/password\?token=[\w-]{43}" readonly', made.text)
    page = ada.page(PASSWORD_LINKS).text
    assert "Kevin" in page
    assert "token=" not in page
    assert f'<option value="{ada.id}"' not in page
    assert form(ada, "/password-links/1/revoke").location == PASSWORD_LINKS
    assert "Revoked" in ada.page(PASSWORD_LINKS).text


@sqlite
def test_the_name_of_an_account_is_text_on_the_page_of_its_invitation(app, ada):
    with app.app_context():
        db.session.get_one(Account, 1).name = "<b>A</b>\u202e"
        db.session.commit()
    url = ada.post(INVITATIONS, {}).json["url"].removeprefix("http://localhost")
    browser = app.test_client()
    browser.get(url, headers=HTML)
    page = browser.get("/join", headers=HTML).text
    assert "<b>A" not in page
    assert "<bdi>&lt;b&gt;A" in page
