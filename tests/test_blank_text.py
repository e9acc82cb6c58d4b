"""Text without a visible character is empty: 422 in every field, and in no row of the database."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from rtapp.cli.password import set_password
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Inbox
from rtapp.models import User

from .test_text import BLANK
from .test_text import VISIBLE
from .world import all_rows

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NEW = {"inbox_id": 1, "contact": {"name": "N", "email": "n@x.example"}, "content": "x"}
EVERYTHING = "".join(BLANK.values()).replace("\x00", "")
INVISIBLE = {name: text for name, text in BLANK.items() if text} | {"all of them": EVERYTHING}
CONTACT = "/accounts/1/conversations"


def contact(**fields):
    return {**NEW, "contact": {**NEW["contact"], **fields}}


# Each field with text, as path, body with that text, and the field to blame.
FIELDS = {
    "a message": ("/conversations/1/messages", lambda t: {"content": t}, "content"),
    "a private note": (
        "/conversations/1/messages", lambda t: {"content": t, "private": True}, "content",
    ),
    "a client_id": (
        "/conversations/1/messages", lambda t: {"content": "x", "client_id": t[:64]}, "client_id",
    ),
    "an edited message": ("/messages/2", lambda t: {"content": t}, "content"),
    "a canned reply": (
        "/accounts/1/canned-replies", lambda t: {"shortcut": "x", "content": t}, "content",
    ),
    "a shortcut": (
        "/canned-replies/1", lambda t: {"shortcut": t, "content": "x"}, "shortcut",
    ),
    "a label": ("/accounts/1/labels", lambda t: {"title": t, "colour": 0}, "title"),
    "a changed label": ("/labels/1", lambda t: {"title": t, "colour": 0}, "title"),
    "a first message": (CONTACT, lambda t: {**NEW, "content": t}, "content"),
    "a name": (CONTACT, lambda t: contact(name=t), "contact.name"),
    "an address": (CONTACT, lambda t: contact(email=t), "contact.email"),
    "the local part of an address": (
        CONTACT, lambda t: contact(email=f"{t}@x.example"), "contact.email",
    ),
    "the domain of an address": (CONTACT, lambda t: contact(email=f"n@{t}"), "contact.email"),
    "the address of a login": ("/login", lambda t: {"email": t, "password": "password"}, "email"),
}  # fmt: skip


@pytest.mark.parametrize("text", INVISIBLE)
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_invisible_characters_is_refused_as_empty(app, ada, field, text):
    path, body, blamed = FIELDS[field]
    before = all_rows(app)
    refused = ada.post(path, body(INVISIBLE[text]))
    assert (refused.status_code, list(refused.json["errors"])) == (422, [blamed])
    assert all_rows(app) == before


def test_a_form_of_invisible_characters_is_refused_as_empty(app, ada):
    client = app.test_client()
    for text in INVISIBLE.values():
        refused = client.post(
            "/conversations/1/messages", data={"content": text}, headers=ada.headers
        )
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["content"])


@pytest.mark.parametrize("name", VISIBLE)
def test_text_of_every_script_is_stored_unchanged(ada, name):
    text = f"{VISIBLE[name]} and {VISIBLE[name]}"
    for content in (VISIBLE[name], text, f"\u200f{text}\u200b"):
        assert ada.send(1, content).json["content"] == content
    made = ada.post(CONTACT, contact(name=VISIBLE[name]))
    assert made.json["contact"]["name"] == VISIBLE[name]


@pytest.mark.parametrize("hidden", ["\u200b", "\u202e", "\u00ad", "\u2800", " ", "\x7f"])
def test_an_address_with_a_hidden_character_is_refused(ada, hidden):
    """It would look like the address of somebody else."""
    for address in (f"n{hidden}@x.example", f"n@x{hidden}.example", f"{hidden}n@x.example"):
        refused = ada.post(CONTACT, contact(email=address))
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["contact.email"])


@pytest.mark.parametrize(
    "address", ["n@نامه\u200cای.example", "用户@例子.example", "o'hara+x@x.example", "N@X.example"]
)
def test_an_address_of_every_script_is_accepted(app, ada, address):
    """The first domain is the example of RFC 5892 for a joiner that makes a difference."""
    made = ada.post(CONTACT, contact(email=address))
    assert made.status_code == 201
    with app.app_context():
        found = db.session.get(Contact, made.json["contact"]["id"])
        assert found.email == address.lower()


@pytest.mark.parametrize(
    "make",
    [
        lambda t: Account(name=t),
        lambda t: Inbox(account_id=1, name=t),
        lambda t: User(name=t, email="u@x.example", password_hash="none"),
        lambda t: User(name="U", email=t, password_hash="none"),
        lambda t: User(name="U", email=f"{t}@x.example", password_hash="none"),
        lambda t: Contact(account_id=1, name=t, email="u@x.example"),
        lambda t: Contact(account_id=1, name="C", email=t),
    ],
    ids=["an account", "an inbox", "a user", "a user's address", "a local part", "a contact",
         "a contact's address"],
)  # fmt: skip
@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u2066\u3164"], ids=ascii)
def test_no_row_has_a_name_or_address_that_nobody_can_see(database_url, make, text):
    """Whatever creates it: a command, a shell, the demo."""
    with pytest.raises(ValueError, match="must"):
        make(text)


def test_a_renamed_row_keeps_a_visible_name(app):
    with app.app_context():
        user = db.session.scalars(select(User)).first()
        with pytest.raises(ValueError, match="must not be empty"):
            user.name = "\u200b"
        user.name = "Аda"
        assert user.name == "Аda"


def test_a_user_signs_in_with_either_form_of_the_domain(app, nobody):
    with app.app_context():
        user = db.session.scalars(select(User)).first()
        user.email = "ada@xn--bcher-kva.example"
        db.session.commit()
        assert user.email == "ada@bücher.example"
    for domain in ("bücher.example", "BÜCHER.example", "xn--bcher-kva.example"):
        entered = {"email": f"ada@{domain}", "password": "password"}
        assert nobody.post("/login", entered).status_code == 200


@pytest.mark.parametrize(("length", "is_set"), [(0, 0), (7, 0), (8, 1), (1000, 1), (1001, 0)])
def test_the_command_sets_passwords_that_are_long_enough_and_can_be_entered(app, length, is_set):
    def hashes() -> str:
        return json.dumps([user.password_hash for user in db.session.scalars(select(User))])

    with app.app_context():
        before = hashes()
        done = CliRunner().invoke(set_password, ["ada@example.com"], input="é" * length)
        assert (done.exit_code, hashes() != before) == (1 - is_set, bool(is_set))
        assert ("8 to 1000 characters" in done.output) != is_set
    entered = {"email": "ada@example.com", "password": "é" * length}
    answer = app.test_client().post("/login", json=entered)
    assert (answer.status_code == 200) == is_set
