"""The settings of an account, and of oneself: names, inboxes, the password, and the navigation."""

import re
from contextlib import closing

import pytest

from rtapp.config import INBOXES_PER_ACCOUNT
from rtapp.extensions import db
from rtapp.models import Inbox

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import envelope

ACCOUNT = "/accounts/1/settings/account"
INBOXES = "/accounts/1/inboxes"
PROFILE = "/settings/profile"
BLANK = [None, "", " ", "\u200b", "x" * 201, 1, ["x"], "a\x00b"]


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


class Browser:
    """A browser in which the user with this address is signed in."""

    def __init__(self, app, email, password="password"):
        self.client = app.test_client()
        signed_in = {"email": email, "password": password}
        answer = self.client.post("/login", json=signed_in)
        self.status = answer.status_code
        self.headers = {"X-CSRF-Token": answer.headers.get("X-CSRF-Token", "")}

    def change(self, accept="application/json", **fields):
        headers = {**self.headers, "Accept": accept}
        sent = {"data": fields} if accept == "text/html" else {"json": fields}
        return self.client.post("/settings/password", headers=headers, **sent)

    def is_signed_in(self):
        return self.client.get("/me").status_code == 200


# Names


def test_renaming_the_account_refuses_bad_input(app, other):
    changed = {"name": "Acme Lamps"}
    Refusals(app, other).check(
        Action(path="/accounts/{id}/settings/account", id=1, body=changed, required=["name"],
               bad={"name": BLANK}, foreign="account", grace=403),
        Case("an agent", 403, body=changed, principal="kevin"),
    )  # fmt: skip


def test_making_an_inbox_refuses_bad_input(app, other):
    changed = {"name": "Returns"}
    Refusals(app, other).check(
        Action(path="/accounts/{id}/inboxes", id=1, body=changed, required=["name"],
               bad={"name": [*BLANK, "Website chat", "WEBSITE  Chat", "web\u200bsite chat"]},
               foreign="account", grace=403),
        Case("an agent", 403, body=changed, principal="kevin"),
    )  # fmt: skip


def test_an_inbox_has_the_name_that_no_other_one_has(ada):
    made = ada.post(INBOXES, {"name": " Returns "})
    assert (made.status_code, made.json["name"]) == (201, "Returns")
    path, off = f"/inboxes/{made.json['id']}", {"auto_assign": False, "assignment_cap": None}
    assert ada.post(path, {**off, "name": "Theirs"}).json["name"] == "Theirs"
    assert ada.post(path, off).json["name"] == "Theirs"  # as it is
    assert ada.post(path, {**off, "name": "theirs"}).json["name"] == "theirs"
    taken = ada.post(path, {**off, "name": "website chat"})
    assert (taken.status_code, list(taken.json["errors"])) == (422, ["name"])
    assert [row["name"] for row in ada.get(INBOXES).json["inboxes"]].count("theirs") == 1


def test_an_account_has_only_so_many_inboxes(app, ada):
    with app.app_context():
        more = [Inbox(account_id=1, name=f"Inbox {n}") for n in range(INBOXES_PER_ACCOUNT - 3)]
        db.session.add_all(more)
        db.session.commit()
    assert ada.post(INBOXES, {"name": "The last one"}).status_code == 201
    assert ada.post(INBOXES, {"name": "One more"}).status_code == 422
    boxes = {f"inbox_ids.{row['id']}": "true" for row in ada.get(INBOXES).json["inboxes"]}
    fields = {"role": "agent", "sees": "inbox", "inbox_ids.0": "", **boxes}
    assert form(app, ada, "/accounts/1/settings/members/2", **fields).status_code == 303


@pytest.mark.parametrize("path", [ACCOUNT, PROFILE])
def test_another_name_is_shown_and_has_all_pages_loaded_again(app, ada, kevin, path):
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        assert ada.post(path, {"name": "<i>Other</i> "}).json["name"] == "<i>Other</i>"
        assert envelope(stream.until("stream.reset")[-1])["reason"] == "history_lost"
    assert ada.get(path).json["name"] == "<i>Other</i>"
    assert "<i>Other" not in ada.page(path).text
    assert "&lt;i&gt;Other" in ada.page("/accounts/1/conversations").text
    assert form(app, ada, path, name="Plain").status_code == 303
    assert ada.get(path).json["name"] == "Plain"


@pytest.mark.parametrize("path", [ACCOUNT, PROFILE, INBOXES])
def test_a_refused_name_comes_back_with_the_error_beside_its_field(app, ada, path):
    answer = form(app, ada, path, name='"><i>' * 50)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert answer.text.count('class="problem"') == 1
    (described,) = re.findall(r'aria-describedby="([^"]+)"', answer.text)
    assert f'id="{described}"' in answer.text
    assert "<i>" not in answer.text


def test_changing_the_own_name_refuses_bad_input(ada, kevin):
    for name in BLANK:
        assert kevin.post(PROFILE, {"name": name}).status_code == 422
    for body in ({}, {"name": "K", "email": "k@example.com"}, {"name": "K", "role": "x"}):
        assert kevin.post(PROFILE, body).status_code == 422
    assert kevin.get(PROFILE).json["name"] == "Kevin"


# The own password


def test_a_new_password_needs_the_present_one_and_ends_every_other_session(app, kevin):
    here, there = (Browser(app, "kevin@example.com") for _ in range(2))
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        wrong = here.change(present_password="not it", password="long and new")
        assert (wrong.status_code, list(wrong.json["errors"])) == (422, ["present_password"])
        assert there.is_signed_in()
        assert here.change(present_password="password", password="long and new").status_code == 204
        assert envelope(stream.until("stream.closed")[-1])["reason"] == "signed_out"
    assert here.is_signed_in()
    assert not there.is_signed_in()
    assert kevin.get("/me").status_code == 401
    assert Browser(app, "kevin@example.com").status == 401
    assert Browser(app, "kevin@example.com", "long and new").status == 200


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"password": "long and new"}, "present_password"),
        ({"present_password": "", "password": "long and new"}, "present_password"),
        ({"present_password": "x" * 1001, "password": "long and new"}, "present_password"),
        ({"present_password": "password"}, "password"),
        ({"present_password": "password", "password": "short"}, "password"),
        ({"present_password": "password", "password": "x" * 1001}, "password"),
        ({"present_password": "password", "password": "long and new", "email": "x"}, "email"),
    ],
)
def test_an_unusable_password_changes_nothing_and_no_answer_repeats_one(app, fields, wrong):
    browser = Browser(app, "kevin@example.com")
    for accept in ("application/json", "text/html"):
        answer = browser.change(accept, **fields)
        assert answer.status_code == 422
        if accept == "application/json":
            assert list(answer.json["errors"]) == [wrong]
        assert "long and new" not in answer.text
        assert 'value="password"' not in answer.text
    assert Browser(app, "kevin@example.com").status == 200


def test_production_refuses_the_demos_password(app):
    browser = Browser(app, "kevin@example.com")
    app.config["PRODUCTION"] = True
    refused = browser.change(present_password="password", password="password")
    app.config["PRODUCTION"] = False
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["password"])


# The navigation


FOR_BROWSERS = {"Two-step sign-in"}


def test_each_settings_page_leads_to_those_that_its_user_may_open(ada, kevin):
    for client, titles in (
        (ada, ["Members", "Invitations", "Password links", "Inboxes", "Account", "Labels"]),
        (kevin, ["Labels", "Canned replies"]),
    ):
        for page in ("/accounts/1/labels", PROFILE, "/accounts/1/canned-replies"):
            nav = (
                client.page(page).text.partition('aria-label="Settings">')[2].partition("</nav>")[0]
            )
            links = re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', nav)
            assert [title for _, title in links][: len(titles)] == titles
            assert nav.count('aria-current="page"') == 1
            for url, title in links:
                status = 403 if title in FOR_BROWSERS else 200  # the clients have a token
                assert client.page(url).status_code == status
    assert ada.page("/accounts/1/settings").location == "/accounts/1/settings/members"
    assert kevin.page("/accounts/1/settings").location == "/accounts/1/labels"
    assert kevin.page("/settings").location == PROFILE


def test_the_inbox_leads_to_the_settings_that_its_user_may_open(ada, kevin):
    for client, may_change in ((ada, True), (kevin, False)):
        page = client.page("/accounts/1/conversations").text
        assert 'href="/settings"' in page
        assert ('href="/accounts/1/settings"' in page) == may_change
