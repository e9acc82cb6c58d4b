"""The user's own tokens: made once, listed without their texts, revoked."""

import re
from datetime import datetime
from datetime import timedelta

import pytest
from sqlalchemy import select

from rtapp import scopes
from rtapp.config import TOKEN_LIFETIME
from rtapp.config import TOKENS_PER_USER
from rtapp.extensions import db
from rtapp.models import Token
from rtapp.models import User
from rtapp.services.change_tokens import create_token

from ..support import ApiClient
from ..support import envelope
from ..support import next_settings
from .test_session import HTML
from .test_session import Browser

TOKENS = "/settings/tokens"
IMPORT = {"name": "Import", "scope": "read", "expires_in": 60}


def client_with(app, text):
    client = ApiClient(app, None)
    client.headers = {"Authorization": f"Bearer {text}"}
    return client


@pytest.fixture
def at_home(app, ada):
    """The browser in which Ada is signed in."""
    return Browser(app, "ada")


def names(client):
    return [token["name"] for token in client.get(TOKENS).json["tokens"]]


def rows(app):
    with app.app_context():
        return list(map(tuple, db.session.execute(select(Token.__table__).order_by(Token.id))))


def test_a_token_is_made_with_a_name_a_scope_and_an_expiry(app, ada, at_home):
    answer = at_home.post(TOKENS, IMPORT)
    assert answer.status_code == 201
    made = answer.json
    text = made.pop("token")
    assert text.startswith(f"rtapp_u{ada.id}_")
    assert (made["name"], made["scope"], made["last_used_at"]) == ("Import", "read", None)
    created, expires = (datetime.fromisoformat(made[f"{at}_at"]) for at in ("created", "expires"))
    assert expires - created == timedelta(seconds=60)
    assert ada.get(TOKENS).json["tokens"][0] == made
    script = client_with(app, text)
    assert script.get("/me").json["name"] == "Ada"
    assert script.send(1, "Hello").status_code == 403  # it may read
    assert text not in ada.get(TOKENS).get_data(as_text=True)


def test_a_token_without_more_than_a_name_writes_and_does_not_end(at_home):
    made = at_home.post(TOKENS, {"name": "  Two \n words "}).json
    assert (made["name"], made["scope"], made["expires_at"]) == ("Two words", "write", None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \n"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 1}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "Import", "scope": "everything"}, "scope"),
        ({"name": "Import", "scope": "visitor"}, "scope"),
        ({"name": "Import", "scope": None}, "scope"),
        ({"name": "Import", "expires_in": 0}, "expires_in"),
        ({"name": "Import", "expires_in": -1}, "expires_in"),
        ({"name": "Import", "expires_in": 1.5}, "expires_in"),
        ({"name": "Import", "expires_in": True}, "expires_in"),
        ({"name": "Import", "expires_in": TOKEN_LIFETIME + 1}, "expires_in"),
        ({"name": "Import", "user_id": 1}, "user_id"),
    ],
    ids=repr,
)
def test_a_token_with_bad_input_is_not_made(app, at_home, body, field):
    before = rows(app)
    answer = at_home.post(TOKENS, body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert list(answer.json["errors"]) == [field]
    assert rows(app) == before


def test_more_tokens_than_a_user_may_have_are_refused(app, ada, at_home):
    with app.app_context():
        user = db.session.get_one(User, ada.id)
        for _ in range(TOKENS_PER_USER - 1):
            create_token(user, "Many")
    answer = at_home.post(TOKENS, IMPORT)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["name"])
    assert Browser(app, "kevin").post(TOKENS, IMPORT).status_code == 201


def test_a_user_sees_and_revokes_their_own_tokens_only(app, ada, kevin, maria):
    with app.app_context():
        ids = {row.user_id: row.id for row in db.session.scalars(select(Token)) if row.user_id}
        visitors = db.session.scalars(select(Token.id).where(Token.contact_id == maria.id)).one()
    assert names(kevin) == ["Test"]
    for id in (ids[ada.id], visitors, 999):
        answer = kevin.post(f"{TOKENS}/{id}/revoke")
        assert (id, answer.status_code) == (id, 404)
    for client, path in ((ada, "/me"), (kevin, "/me"), (maria, "/conversations/1")):
        assert client.get(path).status_code == 200


def test_revoking_a_token_ends_it_and_its_streams(app, ada, at_home):
    made = at_home.post(TOKENS, {"name": "Import"}).json
    script = client_with(app, made["token"])
    stream = script.stream("/streams/accounts/1")
    stream.named("stream.open")
    assert ada.post(f"{TOKENS}/{made['id']}/revoke").status_code == 204
    assert envelope(stream.until("stream.closed")[-1])["reason"] == "signed_out"
    assert stream.ended()
    assert script.get("/me").status_code == 401
    assert names(ada) == ["Test"]
    assert ada.post(f"{TOKENS}/{made['id']}/revoke").status_code == 404


def test_a_token_may_revoke_itself(app, at_home):
    made = at_home.post(TOKENS, {"name": "Itself", "scope": "admin"}).json
    itself = client_with(app, made["token"])
    assert itself.post(f"{TOKENS}/{made['id']}/revoke").status_code == 204
    assert itself.get("/me").status_code == 401


@pytest.mark.parametrize("scope", [scopes.READ, scopes.WRITE])
def test_a_token_without_the_scope_admin_manages_no_tokens_and_no_sessions(app, ada, scope):
    """So none makes one with a wider scope than it has."""
    narrow = ApiClient(app, "ada@example.com", scope)
    before = rows(app)
    for answer in (
        narrow.get(TOKENS),
        narrow.post(TOKENS, {"name": "Wider", "scope": "admin"}),
        narrow.post(TOKENS, {"name": "Narrower", "scope": "read"}),
        narrow.post(f"{TOKENS}/1/revoke"),
        narrow.get("/settings/sessions"),
        narrow.post("/settings/sessions/end_others"),
    ):
        assert answer.status_code == 403
        assert 'error="insufficient_scope", scope="admin"' in answer.headers["WWW-Authenticate"]
    assert rows(app) == before
    assert ada.get(TOKENS).status_code == 200


def test_a_token_makes_no_token(app, ada, at_home):
    """Or one that ends soon would make one that does not."""
    before = rows(app)
    answer = ada.post(TOKENS, IMPORT)
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert rows(app) == before
    assert at_home.post(TOKENS, IMPORT).status_code == 201


def test_the_page_shows_the_text_once_and_revokes_without_javascript(app):
    browser = Browser(app)
    answer = browser.form(TOKENS, name='"Import" <b>', scope="write", expires_in="604800")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    (text,) = re.findall(r'value="(rtapp_[^"]+)"', page)
    assert "<b>" not in page
    script = client_with(app, text)
    assert script.get("/me").status_code == 200
    later = browser.get(TOKENS, **HTML).get_data(as_text=True)
    assert "rtapp_u" not in later
    assert "not used yet" in later
    assert "ends on" in later
    (revoke,) = re.findall(rf'action="({TOKENS}/\d+/revoke)"', later)
    gone = browser.form(revoke)
    assert (gone.status_code, gone.location) == (303, TOKENS)
    assert script.get("/me").status_code == 401


def test_a_refused_form_keeps_what_was_entered_and_names_its_errors(app):
    browser = Browser(app)
    answer = browser.form(TOKENS, name="x" * 101, scope="read", expires_in="604800")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert f'value="{"x" * 101}"' in page
    assert '<option value="read" selected>' in page
    assert '<option value="604800" selected>' in page
    assert 'aria-describedby="name-problem"' in page
    assert "rtapp_u" not in page
    assert rows(app) == []


def test_a_visitor_has_no_settings(maria):
    for path in (TOKENS, "/settings/sessions"):
        assert maria.get(path).status_code == 403
    assert maria.post(TOKENS, {"name": "Mine"}).status_code == 403


def test_a_token_that_is_made_on_the_page_or_revoked_is_published_to_its_user(
    app, ada, at_home, subscribe
):
    hers = subscribe("account:1", ada)
    with app.app_context():
        create_token(db.session.get_one(User, ada.id), "Of no page")  # publishes nothing
    made = at_home.post(TOKENS, IMPORT).json
    assert next_settings(hers) == {"account_id": 1, "part": "tokens"}
    at_home.post(f"{TOKENS}/{made['id']}/revoke", {})
    assert next_settings(hers)["part"] == "tokens"
    assert made["name"] not in names(at_home)
