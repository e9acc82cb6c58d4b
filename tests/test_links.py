"""Invitations and password links: what each lets its holder do, once, and nobody else."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from werkzeug.test import TestResponse

from rtapp import clock
from rtapp.config import INVITED_FOR
from rtapp.config import OPEN_INVITATIONS_PER_ACCOUNT
from rtapp.config import PASSWORD_LINK_FOR
from rtapp.extensions import db
from rtapp.models import InboxMember
from rtapp.models import Invitation
from rtapp.models import Membership
from rtapp.models import PasswordLink
from rtapp.models import User
from rtapp.pages import join
from rtapp.pages import new_password
from rtapp.pages.links import REPEATED_WITHIN
from rtapp.services import revoke_links
from rtapp.services.change_password import change_password
from rtapp.services.disable_user import disable_user
from rtapp.services.link import KEPT_FOR

from .harness.gate import Gate
from .support import ApiClient
from .support import outbox_drained
from .world import all_rows
from .world import open_stream

INVITATIONS = "/accounts/1/settings/invitations"
PASSWORD_LINKS = "/accounts/1/settings/password-links"
HTML = {"Accept": "text/html"}
PASSWORD = "a long new one"
NORA = {"name": "Nora", "password": PASSWORD}

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def token_in(answer: TestResponse) -> str:
    assert answer.status_code == 201, answer.data
    body: Any = answer.json
    found = re.fullmatch(r"http://localhost/(?:join|password)\?token=([\w-]{43})", body["url"])
    assert found is not None, body["url"]
    return found[1]


def invited(ada: ApiClient, **fields: Any) -> str:
    """The token of a new invitation."""
    return token_in(ada.post(INVITATIONS, fields))


def password_link(ada: ApiClient, user: ApiClient) -> str:
    return token_in(ada.post(PASSWORD_LINKS, {"user_id": user.id}))


def accept(client: ApiClient, token: str, **fields: Any) -> TestResponse:
    return client.post("/join", {"token": token, **fields})


def states(ada: ApiClient, path: str = INVITATIONS) -> list[str]:
    body: Any = ada.get(path).json
    (rows,) = body.values()
    return [row["state"] for row in rows]


def signs_in(app: Flask, email: str, password: str) -> bool:
    answer = app.test_client().post("/login", json={"email": email, "password": password})
    return answer.status_code == 200


def put_back(app: Flask, kind: Any, by: timedelta) -> None:
    """Make all links of the kind older."""
    with app.app_context():
        db.session.execute(update(kind).values(expires_at=clock.now() - by))
        db.session.commit()


def csrf(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def alert(page: TestResponse) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.text))


@pytest.fixture
def zoe(app, other) -> ApiClient:
    """The administrator of the other account, and its only member."""
    return ApiClient(app, "zoe@example.com")


@pytest.fixture
def browser(app) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def gates(monkeypatch) -> Iterator[dict[str, Gate]]:
    """Points between the check of a link and its use."""
    made = {"join": Gate("the hash of a joining user"), "new_password": Gate("the new hash")}
    for module in (join, new_password):
        gate = made[module.__name__.rpartition(".")[2]]
        monkeypatch.setattr(module, "hashed_aside", gate.before(module.hashed_aside))
    yield made
    for gate in made.values():
        gate.open()


# Accepting an invitation


def test_an_invited_address_becomes_a_user_with_the_role_and_inboxes_and_is_signed_in(
    app, ada, kevin, browser
):
    made = ada.post(
        INVITATIONS, {"email": "nora@example.com", "sees": "assigned", "inbox_ids": [2]}
    )
    token = token_in(made)
    assert made.json["state"] == "open"
    shown = browser.get(f"/join?token={token}")
    assert shown.json.keys() == {"account", "email", "role", "expires_at"}
    assert (shown.json["account"]["name"], shown.json["email"]) == ("Acme", "nora@example.com")
    with open_stream(kevin, "account:1") as his:
        his.named("stream.open")
        answer = browser.post("/join", json={"token": token, **NORA})
        assert answer.status_code == 200, answer.data
        assert "history_lost" in his.named("stream.reset").data  # his menus have a new colleague
    assert [m["account_id"] for m in answer.json["memberships"]] == [1]
    assert browser.get("/me").json["email"] == "nora@example.com"
    with app.app_context():
        user = db.session.scalars(select(User).where(User.email == "nora@example.com")).one()
        (membership,) = user.memberships
        assert (membership.role, membership.sees) == ("agent", "assigned")
        inboxes = select(InboxMember.inbox_id).where(InboxMember.user_id == user.id)
        assert db.session.scalars(inboxes).all() == [2]
    assert signs_in(app, "nora@example.com", PASSWORD)
    (listed,) = ada.get(INVITATIONS).json["invitations"]
    assert (listed["state"], listed["used_by"]["name"]) == ("used", "Nora")


def test_a_user_of_another_account_signs_in_first_and_then_has_both(app, ada, zoe, nobody):
    token = invited(ada, email="zoe@example.com", role="administrator")
    refused = accept(nobody, token, name="Eve", password=PASSWORD)
    assert refused.status_code == 401
    assert "zoe@example.com has an account here already" in refused.json["detail"]
    assert not signs_in(app, "zoe@example.com", PASSWORD)
    joined = accept(zoe, token)
    assert joined.status_code == 200
    roles = {m["account_id"]: m["role"] for m in joined.json["memberships"]}
    assert roles == {1: "administrator", 2: "administrator"}
    assert accept(zoe, token).status_code == 200  # the form sent twice
    assert zoe.get("/accounts/1/conversations").status_code == 200


def test_an_invitation_without_an_address_takes_any_new_one_but_no_users(app, ada, nobody):
    before = {"name": "Eve", "password": PASSWORD}
    token = invited(ada)
    missing = accept(nobody, token, **before)
    assert (missing.status_code, list(missing.json["errors"])) == (422, ["email"])
    taken = accept(nobody, token, **before, email="Kevin@Example.com")
    assert (taken.status_code, list(taken.json["errors"])) == (422, ["email"])
    assert "sign in first" in taken.json["errors"]["email"][0]
    assert states(ada) == ["open"]
    assert accept(nobody, token, **before, email="Eve@Example.com").status_code == 200
    assert signs_in(app, "eve@example.com", PASSWORD)


def test_an_invitation_for_an_address_is_accepted_with_no_other(ada, kevin, zoe, nobody):
    token = invited(ada, email="nora@example.com")
    other = accept(nobody, token, **NORA, email="eve@example.com")
    assert (other.status_code, list(other.json["errors"])) == (422, ["email"])
    refused = accept(zoe, token)
    assert refused.status_code == 403
    assert "for nora@example.com" in refused.json["detail"]
    assert states(ada) == ["open"]
    assert accept(nobody, token, **NORA, email="NORA@example.com").status_code == 200


def test_a_members_acceptance_changes_nothing_and_leaves_the_invitation_open(app, ada, kevin):
    token = invited(ada, role="administrator")
    assert outbox_drained(app)
    before = all_rows(app)
    assert accept(kevin, token).status_code == 200
    assert all_rows(app) == before
    assert kevin.get("/me").json["memberships"][0]["role"] == "agent"
    assert states(ada) == ["open"]


def test_a_user_who_is_signed_in_is_not_made_anew(ada, zoe):
    """Fields of a new user are refused, not dropped."""
    refused = accept(zoe, invited(ada), **NORA, email="nora@example.com")
    assert (refused.status_code, sorted(refused.json["errors"])) == (
        422, ["email", "name", "password"],
    )  # fmt: skip
    assert states(ada) == ["open"]


@pytest.mark.parametrize(
    ("invited_as", "known_as"),
    [("ZOË@Example.COM", "zoë@example.com"), ("zoe\u0308@example.com", "zo\u00eb@example.com")],
    ids=["case", "Unicode form"],
)
def test_an_address_that_differs_by_case_or_unicode_form_is_the_same(
    app, ada, nobody, invited_as, known_as
):
    token = invited(ada, email=invited_as)
    assert ada.get(INVITATIONS).json["invitations"][0]["email"] == known_as
    assert accept(nobody, token, **NORA, email=known_as.upper()).status_code == 200
    again = ada.post(INVITATIONS, {"email": invited_as})
    assert (again.status_code, list(again.json["errors"])) == (422, ["email"])
    assert "member" in again.json["detail"]


def test_of_two_who_accept_one_invitation_at_once_one_joins(app, ada, nobody, gates):
    token = invited(ada)
    jobs = [
        gevent.spawn(accept, nobody, token, **NORA, email=f"{name}@example.com")
        for name in ("eve", "eva")
    ]
    gates["join"].wait_reached()
    gates["join"].open()
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 410]
    (lost,) = (job.value for job in jobs if job.value.status_code == 410)
    assert "used already" in lost.json["detail"]
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 4
        assert db.session.scalar(select(func.count()).select_from(Membership)) == 4


def test_of_two_users_who_accept_one_invitation_at_once_one_joins(app, ada, zoe, nobody):
    first = invited(ada)
    assert accept(nobody, first, **NORA, email="nora@example.com").status_code == 200
    with app.app_context():
        nora = db.session.scalars(select(User).where(User.email == "nora@example.com")).one()
        db.session.delete(nora.memberships[0])
        db.session.commit()
    token = invited(ada)
    both = (zoe, ApiClient(app, "nora@example.com"))
    jobs = [gevent.spawn(accept, client, token) for client in both]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 410]
    with app.app_context():
        members = select(func.count()).where(Membership.account_id == 1)
        assert db.session.scalar(members) == 4


def test_two_invitations_accepted_at_once_with_one_address_make_one_user(app, ada, nobody, gates):
    tokens = [invited(ada) for _ in range(2)]
    jobs = [
        gevent.spawn(accept, nobody, token, **NORA, email="nora@example.com") for token in tokens
    ]
    gates["join"].wait_reached()
    gates["join"].open()
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 422]
    assert sorted(states(ada)) == ["open", "used"]  # nothing half-done


def test_an_invitation_revoked_while_it_is_accepted_makes_nobody(app, ada, nobody, gates):
    token = invited(ada, email="nora@example.com")
    job = gevent.spawn(accept, nobody, token, **NORA)
    gates["join"].wait_reached()
    assert ada.post("/invitations/1/revoke").status_code == 204
    gates["join"].open()
    assert job.get().status_code == 410
    assert not signs_in(app, "nora@example.com", PASSWORD)


# The links


ENDS = {
    "used": "used already",
    "expired": "has expired",
    "revoked": "was revoked",
    "replaced": "was revoked",
    "mangled": "Copy all of it",
    "cut": "Copy all of it",
    "foreign": "Copy all of it",
    "long": "Copy all of it",
    "hostile": "Copy all of it",
    "forgotten": "Copy all of it",
}


def ended(app: Flask, ada: ApiClient, kevin: ApiClient, why: str) -> str:
    """The token of an invitation for Nora that can't be accepted, for this reason."""
    token = invited(ada, email="nora@example.com")
    match why:
        case "used":
            assert accept(ApiClient(app, None), token, **NORA).status_code == 200
            with app.app_context():
                db.session.execute(update(Invitation).values(used_at=clock.now() - REPEATED_WITHIN))
                db.session.commit()
        case "expired":
            put_back(app, Invitation, timedelta(seconds=1))
        case "revoked":
            assert ada.post("/invitations/1/revoke").status_code == 204
        case "replaced":
            invited(ada, email="nora@example.com")
        case "mangled":
            return token.swapcase()
        case "cut":
            return token[:-1]
        case "foreign":
            return password_link(ada, kevin)
        case "long":
            return token * 100
        case "hostile":
            return "%00%ff%0d%0a<script>"
        case "forgotten":
            put_back(app, Invitation, KEPT_FOR)
            invited(ada, email="eve@example.com")
    return token


@sqlite
@pytest.mark.parametrize("why", ENDS)
def test_an_invitation_that_can_not_be_accepted_says_why_and_what_to_do(
    app, ada, kevin, nobody, browser, why
):
    token = ended(app, ada, kevin, why)
    assert outbox_drained(app)
    before = all_rows(app)
    for answer in (
        nobody.get(f"/join?token={token}"),
        accept(nobody, token[:200], name="Eve", password=PASSWORD),
        accept(ApiClient(app, "grace@example.com"), token[:200]) if why != "used" else None,
    ):
        if answer is not None and answer.status_code != 403:
            assert (answer.status_code, answer.content_type) == (410, "application/problem+json")
            assert ENDS[why] in answer.json["detail"]
    assert browser.get(f"/join?token={token}", headers=HTML).location == "/join"
    for page in (
        browser.get("/join", headers=HTML),
        browser.post("/join", data=NORA, headers=HTML),
        browser.post("/join", data={}, headers=HTML),
    ):
        assert page.status_code == 410
        assert ENDS[why] in alert(page)
    assert all_rows(app) == before


@sqlite
def test_a_page_of_a_link_that_was_not_opened_here_asks_for_it(browser):
    for path in ("/join", "/password"):
        page = browser.get(path, headers=HTML)
        assert (page.status_code, "Copy all of it" in page.text) == (410, True)


def test_an_invitation_works_for_7_days_and_a_password_link_for_4_hours(app, ada, kevin):
    token, link = invited(ada, email="nora@example.com"), password_link(ada, kevin)
    for kind, path, lives in (
        (Invitation, f"/join?token={token}", INVITED_FOR),
        (PasswordLink, f"/password?token={link}", PASSWORD_LINK_FOR),
    ):
        with app.app_context():
            row = db.session.scalars(select(kind)).one()
            assert row.expires_at - row.created_at == lives
        assert ada.get(path).status_code == 200
    assert (timedelta(days=7), timedelta(hours=4)) == (INVITED_FOR, PASSWORD_LINK_FOR)


@sqlite
def test_a_token_is_stored_nowhere_and_shown_once(app, ada, kevin, browser):
    made = {
        INVITATIONS: invited(ada, email="nora@example.com"),
        PASSWORD_LINKS: password_link(ada, kevin),
    }
    for path, token in made.items():
        assert ada.get(path).status_code == ada.page(path).status_code == 200
        assert token not in ada.get(path).text + ada.page(path).text
        assert token not in repr(all_rows(app))
    for path, token in (("/join", made[INVITATIONS]), ("/password", made[PASSWORD_LINKS])):
        opened = browser.get(f"{path}?token={token}", headers=HTML)
        assert (opened.status_code, opened.location) == (303, path)
        page = browser.get(path, headers=HTML)
        assert page.status_code == 200
        assert token not in repr(opened.headers) + repr(page.headers) + page.text
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "no-store"


@sqlite
def test_only_so_many_invitations_are_open_and_ended_ones_are_forgotten(app, ada):
    with app.app_context():
        now = clock.now()
        for n in range(OPEN_INVITATIONS_PER_ACCOUNT):
            db.session.add(
                Invitation(account_id=1, inbox_ids=[], digest=str(n), expires_at=now + INVITED_FOR)
            )
        db.session.commit()
    refused = ada.post(INVITATIONS, {})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["email"])
    assert ada.post("/invitations/7/revoke").status_code == 204
    assert ada.post(INVITATIONS, {}).status_code == 201
    put_back(app, Invitation, KEPT_FOR)
    invited(ada)
    assert states(ada) == ["open"]


# Password links


def test_a_password_link_sets_a_password_once_and_ends_what_the_old_one_had(
    app, ada, kevin, browser, nobody
):
    session = app.test_client()
    signed_in = {"email": "kevin@example.com", "password": "password"}
    assert session.post("/login", json=signed_in).status_code == 200
    token = password_link(ada, kevin)
    shown = nobody.get(f"/password?token={token}").json
    assert (shown["email"], shown.keys()) == ("kevin@example.com", {"email", "expires_at"})
    with open_stream(kevin, "account:1") as his:
        his.named("stream.open")
        answer = browser.post("/password", json={"token": token, "password": PASSWORD})
        assert answer.status_code == 200, answer.data
        his.named("stream.closed")
    assert browser.get("/me").json["email"] == "kevin@example.com"
    assert kevin.get("/me").status_code == session.get("/me").status_code == 401
    assert not signs_in(app, "kevin@example.com", "password")
    assert signs_in(app, "kevin@example.com", PASSWORD)
    again = nobody.post("/password", {"token": token, "password": "yet another one"})
    assert (again.status_code, "used already" in again.json["detail"]) == (410, True)
    assert signs_in(app, "kevin@example.com", PASSWORD)
    assert states(ada, PASSWORD_LINKS) == ["used"]


def test_a_password_link_dies_with_a_change_of_the_password_and_with_a_newer_link(
    app, ada, kevin, nobody
):
    first, second = password_link(ada, kevin), password_link(ada, kevin)
    assert nobody.get(f"/password?token={first}").status_code == 410
    assert nobody.get(f"/password?token={second}").status_code == 200
    with app.app_context():
        change_password(db.session.get_one(User, kevin.id), "changed otherwise")
    dead = nobody.post("/password", {"token": second, "password": PASSWORD})
    assert (dead.status_code, "was revoked" in dead.json["detail"]) == (410, True)
    assert signs_in(app, "kevin@example.com", "changed otherwise")
    assert states(ada, PASSWORD_LINKS) == ["revoked", "revoked"]


def test_of_two_who_use_one_password_link_at_once_one_sets_the_password(
    app, ada, kevin, nobody, gates
):
    token = password_link(ada, kevin)
    passwords = ["the first password", "the other password"]
    jobs = [
        gevent.spawn(nobody.post, "/password", {"token": token, "password": password})
        for password in passwords
    ]
    gates["new_password"].wait_reached()
    gates["new_password"].open()
    gevent.joinall(jobs)
    statuses = [job.value.status_code for job in jobs]
    assert sorted(statuses) == [200, 410]
    assert [signs_in(app, "kevin@example.com", password) for password in passwords] == [
        status == 200 for status in statuses
    ]


def test_a_password_link_is_made_only_by_an_administrator_of_all_accounts_of_its_user(
    app, ada, kevin, grace, zoe, other
):
    def asked(client: ApiClient, account: int, user: int) -> int:
        path = f"/accounts/{account}/settings/password-links"
        return client.post(path, {"user_id": user}).status_code

    assert asked(kevin, 1, grace.id) == 403
    assert asked(ada, 1, ada.id) == 403  # with the present password only
    assert asked(ada, 1, zoe.id) == 422
    assert asked(ada, 1, 999) == 422
    assert asked(zoe, 1, kevin.id) == 404
    token = password_link(ada, kevin)
    with app.app_context():
        db.session.add(Membership(account_id=other.account, user_id=kevin.id))
        db.session.commit()
    assert asked(ada, 1, kevin.id) == 403
    assert asked(zoe, other.account, kevin.id) == 403
    assert ada.get(PASSWORD_LINKS).json["password_links"] == []
    assert ada.post("/password-links/1/revoke").status_code == 404
    with app.app_context():  # an administrator of both
        db.session.add(Membership(account_id=other.account, user_id=ada.id, role="administrator"))
        db.session.commit()
    assert asked(ada, 1, kevin.id) == 201
    assert ada.get(f"/password?token={token}").status_code == 410


def promote(ada: ApiClient, user: ApiClient, role: str = "administrator") -> TestResponse:
    path = f"/accounts/1/settings/members/{user.id}"
    return ada.post(path, {"role": role, "sees": "inbox"})


def without_revocation(monkeypatch) -> None:
    """As for links made at the same time as the change, which it does not find."""
    monkeypatch.setattr(revoke_links, "revoke", lambda *_: None)


def end_administration(app: Flask, ada: ApiClient, kevin: ApiClient, how: str) -> None:
    if how == "disabled":
        with app.app_context():
            assert disable_user(db.session.get_one(User, kevin.id))
    elif how == "removed":
        answer = ada.post(f"/accounts/1/settings/members/{kevin.id}/remove")
        assert answer.status_code == 204
    else:
        assert promote(ada, kevin, "agent").status_code == 200


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("how", ["removed", "demoted", "disabled"])
def test_links_end_with_the_rights_of_the_administrator_who_made_them(
    app, ada, kevin, grace, nobody, monkeypatch, how, listed
):
    promote(ada, kevin)
    own = [invited(ada), password_link(ada, grace)]
    invitation, password = invited(kevin, role="administrator"), password_link(kevin, ada)
    assert nobody.get(f"/join?token={invitation}").status_code == 200
    assert nobody.get(f"/password?token={password}").status_code == 200
    if not listed:
        without_revocation(monkeypatch)
    end_administration(app, ada, kevin, how)
    for path, token in (("/join", invitation), ("/password", password)):
        assert nobody.get(f"{path}?token={token}").status_code == 410
    joining = accept(nobody, invitation, email="back@example.com", **NORA)
    assert (joining.status_code, "was revoked" in joining.json["detail"]) == (410, True)
    setting = nobody.post("/password", {"token": password, "password": PASSWORD})
    assert (setting.status_code, signs_in(app, "ada@example.com", PASSWORD)) == (410, False)
    assert accept(nobody, own[0], email="nora@example.com", **NORA).status_code == 200
    assert nobody.post("/password", {"token": own[1], "password": PASSWORD}).status_code == 200
    assert states(ada) == (["revoked", "used"] if listed else ["open", "used"])


@pytest.mark.parametrize("path", ["/join", "/password"])
def test_a_link_whose_maker_is_demoted_while_it_is_used_does_nothing(
    app, ada, kevin, nobody, gates, monkeypatch, path
):
    promote(ada, kevin)
    fields = {"token": password_link(kevin, ada), "password": PASSWORD}
    if path == "/join":
        fields = {"token": invited(kevin), "email": "nora@example.com", **NORA}
    without_revocation(monkeypatch)
    job = gevent.spawn(nobody.post, path, fields)
    gate = gates["join" if path == "/join" else "new_password"]
    gate.wait_reached()
    end_administration(app, ada, kevin, "demoted")
    gate.open()
    assert job.get().status_code == 410
    assert not signs_in(app, "nora@example.com", PASSWORD)
    assert not signs_in(app, "ada@example.com", PASSWORD)


@pytest.mark.parametrize("listed", [True, False])
def test_a_password_link_ends_as_its_user_joins_an_account_of_others(
    app, ada, kevin, zoe, other, nobody, monkeypatch, listed
):
    token = password_link(ada, kevin)
    made = zoe.post(f"/accounts/{other.account}/settings/invitations", {"role": "administrator"})
    if not listed:
        without_revocation(monkeypatch)
    assert accept(kevin, token_in(made)).status_code == 200
    setting = nobody.post("/password", {"token": token, "password": PASSWORD})
    assert (setting.status_code, "was revoked" in setting.json["detail"]) == (410, True)
    assert signs_in(app, "kevin@example.com", "password")


@pytest.mark.parametrize("listed", [True, False])
def test_a_password_link_of_a_removed_member_ends_but_not_one_of_a_command(
    app, ada, kevin, nobody, monkeypatch, listed
):
    made = app.test_cli_runner().invoke(args=["password", "link", "kevin@example.com"])
    token = password_link(ada, kevin)
    with app.app_context():  # beside the command's, of which it took the place
        db.session.execute(update(PasswordLink).values(revoked_at=None))
        db.session.commit()
    if not listed:
        without_revocation(monkeypatch)
    end_administration(app, ada, kevin, "removed")
    setting = nobody.post("/password", {"token": token, "password": PASSWORD})
    assert (setting.status_code, "was revoked" in setting.json["detail"]) == (410, True)
    (command,) = re.findall(r"token=([\w-]{43})", made.output)
    setting = nobody.post("/password", {"token": command, "password": PASSWORD})
    assert setting.status_code == 200, setting.data


def test_a_disabled_user_gets_no_link_and_an_old_one_opens_nothing(app, ada, kevin, nobody):
    token = password_link(ada, kevin)
    with app.app_context():
        assert disable_user(db.session.get_one(User, kevin.id))
    assert nobody.post("/password", {"token": token, "password": PASSWORD}).status_code == 410
    assert ada.post(PASSWORD_LINKS, {"user_id": kevin.id}).status_code == 422
    ended = app.test_cli_runner().invoke(args=["password", "link", "kevin@example.com"])
    assert (ended.exit_code, "Enable the user first" in ended.output) == (1, True)


# As pages


@sqlite
def test_a_browser_without_javascript_joins_from_the_link_to_the_inbox(app, ada, browser):
    token = invited(ada, email="nora@example.com", inbox_ids=[1])
    browser.get(f"/join?token={token}", headers=HTML)
    page = browser.get("/join", headers=HTML)
    form = {"csrf_token": csrf(page), "name": "Nora", "email": "nora@example.com"}
    short = browser.post("/join", data={**form, "password": "short"}, headers=HTML)
    assert short.status_code == 422
    assert "It must have 8 to 1000 characters." in alert(short)
    assert 'value="Nora"' in short.text
    assert 'value="short"' not in short.text
    joined = browser.post("/join", data={**form, "password": PASSWORD}, headers=HTML)
    assert (joined.status_code, joined.location) == (303, "/accounts/1/conversations")
    assert browser.get(joined.location, headers=HTML).status_code == 200


@sqlite
def test_a_browser_joins_an_account_after_signing_in(app, ada, kevin, zoe, browser):
    with app.app_context():
        db.session.get_one(User, zoe.id).set_password("password")
        db.session.commit()
    browser.get(f"/join?token={invited(ada, email='zoe@example.com')}", headers=HTML)
    assert "/login?next=/join" in browser.get("/join", headers=HTML).text
    signed_in = {"email": "zoe@example.com", "password": "password", "next": "/join"}
    assert browser.post("/login", data=signed_in, headers=HTML).location == "/join"
    page = browser.get("/join", headers=HTML)
    assert "Join as Zoe" in page.text
    form = {"csrf_token": csrf(page)}
    joined = browser.post("/join", data=form, headers=HTML)
    assert (joined.status_code, joined.location) == (303, "/accounts/1/conversations")
    assert browser.get(joined.location, headers=HTML).status_code == 200


@sqlite
def test_a_browser_in_which_somebody_else_is_signed_in_says_so(app, ada, browser):
    signed_in = {"email": "grace@example.com", "password": "password"}
    assert browser.post("/login", json=signed_in).status_code == 200
    browser.get(f"/join?token={invited(ada, email='nora@example.com')}", headers=HTML)
    page = alert(browser.get("/join", headers=HTML))
    assert "This invitation is for nora@example.com , and you are signed in as grace@" in page
    browser.get(f"/join?token={invited(ada)}", headers=HTML)
    assert "You are a member already" in browser.get("/join", headers=HTML).text


@sqlite
def test_another_sites_form_accepts_nothing(app, ada, browser):
    token = invited(ada, email="nora@example.com")
    browser.get(f"/join?token={token}", headers=HTML)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = browser.post("/join", data=NORA, headers={**HTML, **headers})
        assert answer.status_code == 400
    assert states(ada) == ["open"]


@sqlite
def test_a_browser_sets_a_new_password_from_the_link(app, ada, kevin, browser):
    browser.get(f"/password?token={password_link(ada, kevin)}", headers=HTML)
    page = browser.get("/password", headers=HTML)
    assert 'value="kevin@example.com"' in page.text
    form = {"csrf_token": csrf(page)}
    short = browser.post("/password", data={**form, "password": "short"}, headers=HTML)
    assert (short.status_code, "8 to 1000 characters" in alert(short)) == (422, True)
    done = browser.post("/password", data={**form, "password": PASSWORD}, headers=HTML)
    assert (done.status_code, done.location) == (303, "/")
    assert browser.get("/me").json["email"] == "kevin@example.com"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("path", ["/join", "/password"])
def test_a_double_click_leads_to_the_inbox_and_does_it_once(
    app, ada, kevin, browser, gates, monkeypatch, path, at_once
):
    fields = {"password": PASSWORD}
    if path == "/join":
        fields = {"email": "nora@example.com", **NORA}
    token = invited(ada) if path == "/join" else password_link(ada, kevin)
    browser.get(f"{path}?token={token}", headers=HTML)
    form = {**fields, "csrf_token": csrf(browser.get(path, headers=HTML))}
    cookie = browser.get_cookie("session")
    assert cookie is not None

    def click() -> TestResponse:
        """As from the page before the answer to another click."""
        client = app.test_client()
        client.set_cookie("session", cookie.value)
        return client.post(path, data=form, headers=HTML)

    if not at_once:
        for gate in gates.values():
            gate.open()
    jobs = [gevent.spawn(click)]
    if not at_once:
        gevent.joinall(jobs)
    jobs.append(gevent.spawn(click))
    if at_once:
        gate = gates["join" if path == "/join" else "new_password"]
        gate.wait_reached()
        gate.open()
    answers = [job.get() for job in jobs]
    assert [answer.status_code for answer in answers] == [303, 303], answers[1].data
    to = "/accounts/1/conversations" if path == "/join" else "/"
    assert [answer.location for answer in answers] == [to, to]
    assert ["Set-Cookie" in answer.headers for answer in answers].count(True) == 1
    assert states(ada, INVITATIONS if path == "/join" else PASSWORD_LINKS) == ["used"]
    script = app.test_client().post(path, json={"token": token, **fields})
    assert script.status_code == 410
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + REPEATED_WITHIN)
    late = click()
    assert (late.status_code, "was used already" in alert(late)) == (410, True)


@sqlite
def test_production_takes_no_password_that_everybody_can_look_up(app, ada, kevin, nobody):
    app.config["PRODUCTION"] = True
    token = password_link(ada, kevin)
    refused = nobody.post("/password", {"token": token, "password": "password"})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["password"])


# Commands


@sqlite
def test_commands_make_list_and_revoke_links(app, ada, kevin, nobody):
    run = app.test_cli_runner().invoke
    made = run(args=["invitation", "create", "1", "NORA@example.com", "--inbox", "2"])
    assert made.exit_code == 0, made.output
    url = made.stdout.strip()
    assert url.startswith("http://127.0.0.1:8000/join?token=")
    assert "works once, until" in made.stderr
    listed = run(args=["invitation", "list"]).stdout.split("\t")
    assert (listed[0], listed[2], listed[-1]) == ("1", "open", "nora@example.com\n")
    token = url.partition("token=")[2]
    assert nobody.get(f"/join?token={token}").status_code == 200
    assert run(args=["invitation", "revoke", "1"]).exit_code == 0
    assert nobody.get(f"/join?token={token}").status_code == 410
    link = run(args=["password", "link", "Kevin@example.com"]).stdout.strip()
    new = {"token": link.partition("token=")[2], "password": PASSWORD}
    assert nobody.post("/password", new).status_code == 200
    assert signs_in(app, "kevin@example.com", PASSWORD)


@sqlite
@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["invitation", "create", "9"], "There is no account 9."),
        (["invitation", "create", "1", "nora"], "must be an address"),
        (["invitation", "create", "1", "kevin@example.com"], "is a member"),
        (["invitation", "create", "1", "--inbox", "99"], "no such inbox"),
        (["invitation", "revoke", "9"], "There is no invitation 9."),
        (["password", "link", "nora@example.com"], "There is no user"),
    ],
)
def test_a_command_that_can_not_be_done_says_why(app, args, sentence):
    ended = app.test_cli_runner().invoke(args=args)
    assert (ended.exit_code, sentence in ended.output) == (1, True)
