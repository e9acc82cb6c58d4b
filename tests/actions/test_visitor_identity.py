"""A session with a website's JWT: whose it is, and what is refused."""

import logging
from contextlib import closing

import jwt
import pytest
from sqlalchemy import update

from rtapp import clock
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Website
from rtapp.website_secrets import make_salt
from rtapp.website_secrets import secrets_of

from ..support import VisitorClient
from ..support import envelope
from ..support import outbox_drained
from ..world import add_website
from ..world import all_rows

CHAT = "/chat/website1"
OTHER_CHAT = "/chat/website2"


@pytest.fixture(autouse=True)
def secrets(app):
    """The secret of each inbox with a website, by its key."""
    add_website(app)
    add_website(app, inbox_id=2, key="website2")
    with app.app_context():
        for website in db.session.query(Website):
            website.first_salt = make_salt()
        db.session.commit()
        return {website.key: secrets_of(website)[0] for website in db.session.query(Website)}


@pytest.fixture
def signed(secrets):
    def signed(sub="maria", key="website1", **claims):
        stated = {"sub": sub, "exp": int(clock.now().timestamp()) + 600, **claims}
        return jwt.encode(stated, secrets[key], "HS256")

    return signed


@pytest.fixture
def vera(app, secrets):
    return VisitorClient(app, "website1")


@pytest.fixture
def will(app, secrets):
    return VisitorClient(app, "website1")


def identify(client, token, chat=CHAT, status=201):
    """Identify the client's visitor: the client has the new token from now on."""
    answer = client.post(f"{chat}/session", {"jwt": token})
    assert answer.status_code == status, answer.data
    if status == 201:
        client.headers = {"Authorization": f"Bearer {answer.json['token']}"}
    return answer.json


def contents(client, chat=CHAT):
    """The last messages of the conversations that the client's chat lists."""
    rows = client.get(f"{chat}/conversations").json["conversations"]
    return [row["last_message"]["preview"] for row in rows]


def test_a_proven_user_has_their_conversations_on_each_device(app, vera, will, signed):
    vera.start("from the first")
    made = identify(vera, signed(name="Maria", email="maria@jones.example"))
    assert made["contact"] == {"id": vera.id, "name": "Maria", "verified": True}
    assert contents(vera) == ["from the first"]
    will.start("from the second")
    assert identify(will, signed())["contact"]["id"] == vera.id
    assert contents(will) == ["from the second", "from the first"]
    assert contents(vera) == contents(will)
    third = VisitorClient(app, "website1")
    identify(third, signed())
    assert contents(third) == contents(will)


def test_the_old_token_and_its_streams_end_and_the_agents_answer_reaches_the_new_one(
    app, ada, vera, signed
):
    id = vera.start("hello").json["conversation"]["id"]
    before = dict(vera.headers)
    with closing(vera.stream(f"/streams/conversations/{id}")) as stream:
        stream.named("stream.open")
        identify(vera, signed())
        assert envelope(stream.until("stream.closed")[-1])["reason"] == "signed_out"
    old = app.test_client().get(f"/conversations/{id}", headers=before)
    assert old.status_code == 401
    with closing(vera.stream(f"/streams/conversations/{id}")) as stream:
        stream.named("stream.open")
        ada.send(id, "welcome")
        assert envelope(stream.until("message.created")[-1])["data"]["content"] == "welcome"


def test_another_users_jwt_on_the_same_browser_moves_nothing(vera, signed):
    id = vera.start("Maria's").json["conversation"]["id"]
    identify(vera, signed("maria"))
    assert contents(vera) == ["Maria's"]
    identify(vera, signed("tom"))
    assert contents(vera) == []
    assert vera.get(f"/conversations/{id}").status_code == 404
    assert vera.send(id, "as Tom").status_code == 404
    identify(vera, signed("maria"))
    assert contents(vera) == ["Maria's"]


def test_a_jwt_that_does_not_hold_changes_nothing_and_the_token_still_holds(app, vera, signed):
    vera.start("hello")
    assert outbox_drained(app)
    rows = all_rows(app)
    now = int(clock.now().timestamp())
    for token in (signed(exp=now - 90), signed(exp=now + 7200), signed(key="website2"), "x", ""):
        answer = vera.post(f"{CHAT}/session", {"jwt": token or "."})
        assert answer.status_code == 401
        assert answer.mimetype == "application/problem+json"
        assert answer.json["errors"].keys() == {"jwt"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert all_rows(app) == rows
    assert contents(vera) == ["hello"]


@pytest.mark.parametrize("jwt", [5, True, ["a"], {"alg": "none"}, "a\x00b"])
def test_a_jwt_is_text(nobody, jwt):
    answer = nobody.post(f"{CHAT}/session", {"jwt": jwt})
    assert (answer.status_code, answer.json["errors"].keys()) == (422, {"jwt"})


def test_an_enormous_jwt_is_refused_at_once(nobody):
    assert identify(nobody, "a." * 250_000, status=401)["errors"]["jwt"] == [
        "must not have more than 4096 characters"
    ]


def test_no_jwt_is_no_proof(nobody):
    for body in ({}, {"jwt": None}, {"jwt": ""}):
        assert nobody.post(f"{CHAT}/session", body).json["contact"]["verified"] is False


def test_a_token_of_another_inbox_proves_nothing_here(vera, signed):
    vera.start("hello")
    identify(vera, signed(key="website2"), chat=OTHER_CHAT, status=403)
    assert contents(vera) == ["hello"]


def test_a_sub_of_another_inbox_is_somebody_else(app, vera, signed):
    vera.start("hello")
    identify(vera, signed())
    other = VisitorClient(app, "website2")
    made = identify(other, signed(key="website2"), chat=OTHER_CHAT)
    assert made["contact"]["id"] != vera.id
    assert contents(other, OTHER_CHAT) == []


def test_a_blocked_user_is_refused_politely_on_a_new_device_too(app, ada, vera, will, signed):
    vera.start("hello")
    identify(vera, signed())
    with app.app_context():
        db.session.execute(update(Contact).where(Contact.id == vera.id).values(blocked=True))
        db.session.commit()
    will.start("from another one")
    assert "blocked" in identify(will, signed(), status=403)["detail"]
    assert contents(will) == ["from another one"]


def test_a_visitor_who_signs_out_leaves_nothing_on_the_device(app, vera, signed):
    id = vera.start("hello").json["conversation"]["id"]
    identify(vera, signed())
    assert vera.post(f"{CHAT}/session/delete").status_code == 204
    assert vera.get(f"/conversations/{id}").status_code == 401
    next_one = VisitorClient(app, "website1")
    assert next_one.id != vera.id
    assert contents(next_one) == []


def test_the_logs_have_neither_the_jwt_nor_the_sub(vera, signed, caplog):
    caplog.set_level(logging.DEBUG)
    good, bad = signed("secret-sub"), signed("secret-sub", exp=1)
    identify(vera, good)
    identify(vera, bad, status=401)
    for text in (good, bad, "secret-sub"):
        assert text not in caplog.text


def test_a_typed_address_never_finds_a_contact_and_an_agents_never_finds_a_typed_one(
    ada, vera, signed
):
    vera.start("hello")
    given = {"email": "maria.lindqvist@example.com"}  # of another contact
    assert vera.post(f"{CHAT}/contact", given).status_code == 200
    assert contents(vera) == ["hello"]
    theirs = vera.post(f"{CHAT}/contact", {"email": "vera@example.com"}).json["contact"]
    assert theirs["verified"] is False
    new = {"inbox_id": 1, "content": "Hi", "contact": {"name": "Vera", "email": "vera@example.com"}}
    started = ada.post("/accounts/1/conversations", new)
    assert started.status_code == 201, started.data
    assert started.json["contact"]["id"] != vera.id
    shown = ada.get(f"/contacts/{vera.id}").json["contact"]
    assert (shown["email"], shown["given_email"]) == (None, "vera@example.com")
    assert contents(vera) == ["hello"]


def test_agents_see_at_once_what_a_visitor_gives_and_from_which_page_they_write(
    vera, broadcasts_to
):
    id = vera.start("hello", page="https://shop.example/").json["conversation"]["id"]
    stream, changed = f"conversation:{id}", "conversation.contact_changed"

    def shown(received):
        found = [each.data for each in received if each.event == changed]
        return [each["contact"] for each in found if each["changed_by"]["name"] != "Support"]

    with broadcasts_to(stream, changed) as received:
        vera.post(f"{CHAT}/contact", {"email": "vera@example.com"})
    assert {each["given_email"] for each in shown(received)} == {"vera@example.com"}
    cart = "https://shop.example/cart"
    with broadcasts_to(stream, changed) as received:
        vera.send(id, "from the cart", page=cart)
    assert {each["page_url"] for each in shown(received)} == {cart}
    assert all(each.data["changed_by"]["name"] != "Support" for each in received
               if each.event == changed)  # fmt: skip
    with broadcasts_to(stream, "message.created") as received:
        vera.send(id, "again", page=cart)
    assert changed not in {each.event for each in received}
