"""What users of another project's chat reported, as rules of ours, where the server decides.

The numbers are those of issues of chatwoot/chatwoot. What a browser decides is in
tests/browser/test_widget.py.
"""

import json
from contextlib import closing

import jwt
import pytest
from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Website
from rtapp.website_secrets import make_salt
from rtapp.website_secrets import secrets_of

from .support import VisitorClient
from .support import outbox_drained
from .world import add_website
from .world import all_rows

CHAT = "/chat/website1"


@pytest.fixture(autouse=True)
def secret(app):
    add_website(app)
    with app.app_context():
        website = db.session.scalars(select(Website)).one()
        website.first_salt = make_salt()
        db.session.commit()
        return secrets_of(website)[0]


@pytest.fixture
def vera(app, secret):
    return VisitorClient(app, "website1")


@pytest.fixture
def identify(secret):
    def identify(client, sub, **claims):
        exp = int(clock.now().timestamp()) + 600
        token = jwt.encode({"sub": sub, "exp": exp, **claims}, secret, "HS256")
        session = client.post(f"{CHAT}/session", {"jwt": token}).json
        client.id = session["contact"]["id"]
        client.headers = {"Authorization": f"Bearer {session['token']}"}

    return identify


def start(client, text):
    return client.start(text).json["conversation"]["id"]


def listed(client):
    rows = client.get(f"{CHAT}/conversations").json["conversations"]
    return [row["last_message"]["preview"] for row in rows]


def contents(events):
    bodies = [json.loads(e.data)["data"] for e in events if e.event == "message.created"]
    return [body["content"] for body in bodies]


def test_15933_after_another_user_signs_in_the_old_stream_ends_and_the_new_one_is_theirs(
    vera, ada, identify
):
    """The widget kept the stream of the former identity: answers were invisible until a reload."""
    identify(vera, "maria")
    marias = start(vera, "Maria's")
    with closing(vera.stream(f"/streams/contacts/{vera.id}")) as old:
        identify(vera, "tom")
        assert json.loads(old.until("stream.closed")[-1].data)["reason"] == "signed_out"
    with closing(vera.stream(f"/streams/contacts/{vera.id}")) as stream:
        stream.named("stream.open")
        toms = start(vera, "Tom's")
        ada.send(marias, "for Maria")
        ada.send(toms, "for Tom")
        received = stream.until("message.created")
        while contents(received)[-1] != "for Tom":
            received += stream.until("message.created")
    assert contents(received) == ["Tom's", "for Tom"]


def test_15929_a_position_that_can_not_be_resumed_is_a_reset_and_no_silence(vera, ada):
    """A failed synchronisation was swallowed: a chat that looked normal and omitted replies."""
    id = start(vera, "hello")
    ada.send(id, "missed")
    for cursor in ("ffffffffffffffff-1-0", "0000000000000000-1-0"):
        path = f"/streams/contacts/{vera.id}?last_event_id={cursor}"
        with closing(vera.stream(path)) as stream:
            stream.named("stream.open")
            assert stream.next().event == "stream.reset"


def test_15929_a_first_message_that_is_refused_leaves_nothing_and_says_why(app, vera):
    """A conversation that could not be created ended in silence."""
    assert outbox_drained(app)
    before = all_rows(app)
    refused = vera.start("")
    assert (refused.status_code, refused.json["errors"].keys()) == (422, {"content"})
    assert all_rows(app) == before


@pytest.mark.parametrize("path", ["/conversations/{id}", "/streams/conversations/{id}"])
def test_15775_a_token_in_an_address_opens_nothing(app, vera, path):
    """It leaks by logs, Referer and the history."""
    id = start(vera, "hello")
    token = vera.headers["Authorization"].removeprefix("Bearer ")
    with closing(vera.get(path.format(id=id))) as answer:
        assert answer.status_code == 200
    for name in ("token", "access_token", "jwt"):
        answer = app.test_client().get(f"{path.format(id=id)}?{name}={token}")
        assert answer.status_code == 401


def test_12457_a_chat_that_is_opened_again_goes_on_with_its_conversation(app, vera):
    """Each opening of the page was a new session."""
    start(vera, "hello")
    with app.app_context():
        contacts = db.session.scalar(select(func.count()).select_from(Contact))
    for _ in range(3):
        session = vera.post(f"{CHAT}/session").json
        vera.headers = {"Authorization": f"Bearer {session['token']}"}
        assert session["contact"]["id"] == vera.id
        assert listed(vera) == ["hello"]
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Contact)) == contacts


def test_4335_a_phone_that_was_in_the_background_receives_what_it_missed_once(vera, ada):
    """The connection was not made again: messages appeared after a reload only."""
    id = start(vera, "hello")
    path = f"/streams/contacts/{vera.id}"
    with closing(vera.stream(path)) as stream:
        stream.named("stream.open")
        ada.send(id, "before")
        cursor = stream.until("message.created")[-1].id
    ada.send(id, "while away")
    with closing(vera.stream(path, last_event_id=cursor)) as stream:
        stream.named("stream.open")
        ada.send(id, "after")
        received = stream.until("message.created") + stream.until("message.created")
    assert contents(received) == ["while away", "after"]


def test_2762_a_name_and_an_address_are_no_proof(vera, ada, identify):
    """Anybody could be anybody: a neighbour of these issues, and the worst of them."""
    identify(vera, "maria", email="maria@jones.example", name="Maria")
    start(vera, "private matters")
    mallory = VisitorClient(vera.app, "website1")
    given = {"name": "Maria", "email": "maria@jones.example"}
    assert mallory.post(f"{CHAT}/contact", given).status_code == 200
    start(mallory, "it is me")
    assert listed(mallory) == ["it is me"]
    assert listed(vera) == ["private matters"]
    shown = ada.get(f"/contacts/{mallory.id}").json["contact"]
    assert (shown["verified"], shown["email"]) == (False, None)
    assert ada.get(f"/contacts/{vera.id}").json["contact"]["verified"] is True
