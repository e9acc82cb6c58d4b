"""The chats of inboxes on websites: settings, secrets, removal, and the administrators' page."""

import logging
import re
from dataclasses import replace

import gevent
import pytest
from sqlalchemy import select
from sqlalchemy import update

from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Identity
from rtapp.models import Inbox
from rtapp.models import Token
from rtapp.models import Website
from rtapp.services.change_tokens import MAX_ENDED
from rtapp.services.change_tokens import add_website_token
from rtapp.website_secrets import secrets_of

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import CustomerClient
from ..support import envelope
from ..world import KEY
from ..world import add_website
from ..world import all_rows

DEMO, EMAIL = 1, 2
PAGE, OTHER = "/inboxes/1/website", "/inboxes/2/website"
SETTINGS, SECRETS = f"{PAGE}/settings", f"{PAGE}/secrets"
GOOD = {
    "origins": ["https://shop.example", "http://localhost:3000"],
    "greeting": "Hello!\nHow can we help?",
    "away": "Back at nine.",
    "accent": "#0f766e",
    "language": "de",
}
BAD = {
    "origins": [
        None, 1, {}, "*", "https://shop.example/path", "https://*.example", "javascript:alert(1)",
        "https://user@shop.example", "http://shop.example", "https://shop.example:99999", "null",
        "https://" + "a" * 10_000, ["https://a.example", "x"], ["https://a.example", ""],
        "https://a.example https://b.example", "https://a.example\nhttps://b.example/x",
        [f"https://shop{n}.example" for n in range(21)], "x" * 100_000, "https://\x00.example",
        "https://\ud800.example",
    ],
    "greeting": [None, 1, "x" * 501, " ", "\n", "a\x00b", "\ud800", ["Hello"]],
    "away": [None, 1, "x" * 501, "\u200b", "a\x00b"],
    "accent": [None, 1, "", "red", "#fff", "#12345g", "1d4ed8", "#1d4ed8 ", "#1d4ed8ff",
               "#1d4ed8;}", "url(//evil.example)", "#１23456"],
    "language": [None, 1, "", "EN", "fr", "de-DE", "../en", "x" * 10_000],
}  # fmt: skip


@pytest.fixture(autouse=True)
def demo(app):
    """The website of the first inbox; the second one has none."""
    add_website(app, DEMO)


def website(client, path=PAGE):
    return client.get(path).json["website"]


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def visitor_of(app, inbox_id, email="maria.lindqvist@example.com"):
    """A visitor with a token of the inbox's website."""
    client = CustomerClient(app, email)
    with app.app_context():
        mine = update(Token).where(Token.contact_id == client.id, Token.inbox_id.is_(None))
        db.session.execute(mine.values(inbox_id=inbox_id))
        db.session.commit()
    return client


# Settings


def test_giving_an_inbox_a_chat_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(path="/inboxes/{id}/website", id=EMAIL, body=GOOD, required=[], bad=BAD,
               foreign="inbox", grace=403),
        Case("an agent", 403, body=GOOD, principal="kevin"),
        Case("an inbox that has one", 409, body=GOOD, id=DEMO),
    )  # fmt: skip


def test_changing_the_settings_of_a_chat_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(path="/inboxes/{id}/website/settings", id=DEMO, body=GOOD, required=[], bad=BAD,
               foreign="inbox", grace=403),
        Case("an agent of the inbox", 403, body=GOOD, principal="kevin"),
        Case("an inbox without one", 404, body=GOOD, id=EMAIL),
    )  # fmt: skip


@pytest.mark.parametrize("part", ["secrets", "delete"])
def test_making_a_secret_and_removing_a_chat_refuse_bad_input(app, other, part):
    Refusals(app, other).check(
        Action(path=f"/inboxes/{{id}}/website/{part}", id=DEMO, body={}, required=[], bad={},
               foreign="inbox", grace=403),
        Case("an agent of the inbox", 403, body={}, principal="kevin"),
        Case("an inbox without one", 404, body={}, id=EMAIL),
    )  # fmt: skip


def test_what_is_set_is_shown_in_one_form_and_what_is_left_out_stays(ada):
    assert website(ada, OTHER) is None
    made = ada.post(OTHER, {**GOOD, "accent": "#0F766E", "greeting": "Hello!\r\nHow can we help?"})
    assert made.status_code == 201
    assert {name: made.json[name] for name in GOOD} == GOOD
    assert re.fullmatch("[0-9a-f]{16}", made.json["key"])
    assert website(ada, OTHER) == made.json
    for change in ({"greeting": ""}, {"origins": []}, {"language": "en"}, {}):
        answer = ada.post(f"{OTHER}/settings", change)
        assert (answer.status_code, answer.json) == (200, {**website(ada, OTHER), **change})
    kept = {"away": GOOD["away"], "accent": GOOD["accent"], "key": made.json["key"]}
    assert {name: website(ada, OTHER)[name] for name in kept} == kept
    assert website(ada)["key"] == KEY


def test_a_chat_without_settings_has_those_of_the_documentation(ada):
    made = ada.post(OTHER, {}).json
    assert (made["origins"], made["greeting"], made["away"], made["secrets"]) == ([], "", "", [])
    assert (made["accent"], made["language"]) == ("#1d4ed8", "en")


def test_origins_are_stored_in_the_form_that_browsers_send_each_once(app, ada):
    given = ["https://Bücher.example/", "https://xn--bcher-kva.example:443", "http://LOCALHOST:80"]
    expected = ["https://xn--bcher-kva.example", "http://localhost"]
    assert ada.post(SETTINGS, {"origins": given}).json["origins"] == expected
    lines = "\r\n".join(["", *given, "  "])
    assert form(app, ada, SETTINGS, origins=lines).status_code == 303
    assert website(ada)["origins"] == expected
    with app.app_context():
        assert db.session.get_one(Website, DEMO).origins == " ".join(expected)


def test_twenty_origins_are_taken_however_often_each_stands_there(ada):
    many = [f"https://shop{n}.example" for n in range(20)]
    assert ada.post(SETTINGS, {"origins": many * 2}).json["origins"] == many


def test_a_refused_origin_is_named_with_the_reason_and_cut_short(ada):
    wrong = ["https://fine.example", "https://" + "x" * 50 + ".example/path"]
    (sentence,) = ada.post(SETTINGS, {"origins": wrong}).json["errors"]["origins"]
    assert sentence.startswith('has "https://xxxxxx')
    assert sentence.endswith("leave out what follows them")
    assert len(sentence) < 150


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ("https://bücher.example/x", 'has "https://bücher.example/x", which'),
        ("https://\u202eelpmaxe.example", r'has "https://\u202eelpmaxe.example", which'),
        ("https://\u05d0.example/x", 'has \u2068"https://\u05d0.example/x"\u2069, which'),
    ],
)
def test_a_refused_origin_is_shown_in_its_own_letters_if_all_of_it_can_be_seen(ada, wrong, shown):
    (sentence,) = ada.post(SETTINGS, {"origins": [wrong]}).json["errors"]["origins"]
    assert sentence.startswith(shown)


def test_the_snippet_and_the_address_begin_with_the_public_url(app, ada):
    assert website(ada)["url"] == f"http://localhost/chat/{KEY}"
    known = app.extensions["settings"]
    app.extensions["settings"] = replace(known, url="https://inbox.example.com")
    ada.post(SETTINGS, {"accent": "#ffcc00", "language": "de"})
    assert website(ada)["url"] == f"https://inbox.example.com/chat/{KEY}"
    assert website(ada)["snippet"] == (
        '<script async src="https://inbox.example.com/widget.js" data-inbox="website1" '
        'data-accent="#ffcc00" data-lang="de"></script>'
    )


def test_the_text_on_the_accent_is_the_one_that_can_be_read(ada):
    for accent, text, ratio in (
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#000000", 21.0),
        ("#ffcc00", "#000000", 13.9),
        ("#1d4ed8", "#ffffff", 6.7),
    ):
        shown = ada.post(SETTINGS, {"accent": accent}).json
        assert (shown["text_on_accent"], shown["contrast"]) == (text, ratio)


def test_of_requests_at_once_one_gives_the_inbox_a_chat(ada):
    jobs = [gevent.spawn(ada.post, OTHER, {"greeting": str(n)}) for n in range(4)]
    statuses = sorted(job.get().status_code for job in jobs)
    assert statuses == [201, 409, 409, 409]
    conflict = next(job.value for job in jobs if job.value.status_code == 409)
    assert conflict.json["current"]["key"] == website(ada, OTHER)["key"]


# Secrets


def test_a_secret_is_shown_once_and_two_hold_at_most(app, ada, caplog):
    caplog.set_level(logging.DEBUG)
    made = [ada.post(SECRETS).json for _ in range(2)]
    refused = ada.post(SECRETS)
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["secret"])
    assert website(ada)["secrets"] == [one["id"] for one in made]
    with app.app_context():
        row = db.session.get_one(Website, DEMO)
        assert secrets_of(row) == [one["secret"] for one in made]
    assert len({one["secret"] for one in made}) == 2
    pages = f"{ada.get(PAGE).text} {ada.page(PAGE).text} {caplog.text} {all_rows(app)}"
    for one in made:
        assert re.fullmatch("[0-9a-f]{64}", one["secret"])
        assert one["id"] in pages
        assert one["secret"] not in pages


def test_one_secret_replaces_the_other_and_a_removed_one_is_gone(app, ada):
    def hold():
        with app.app_context():
            return secrets_of(db.session.get_one(Website, DEMO))

    old, new = ada.post(SECRETS).json, ada.post(SECRETS).json
    assert ada.post(f"{SECRETS}/{old['id']}/delete").status_code == 204
    assert hold() == [new["secret"]]
    assert ada.post(f"{SECRETS}/{old['id']}/delete").status_code == 404  # not the next one
    third = ada.post(SECRETS).json
    assert set(hold()) == {new["secret"], third["secret"]}
    for one in (new, third):
        assert ada.post(f"{SECRETS}/{one['id']}/delete").status_code == 204
    assert hold() == website(ada)["secrets"] == []


@pytest.mark.parametrize("handle", ["1", "first", "", "%00", KEY, "x" * 10_000])
def test_a_secret_that_is_none_is_not_removed(ada, handle):
    made = ada.post(SECRETS).json
    assert ada.post(f"{SECRETS}/{handle}/delete").status_code in (404, 405)
    assert website(ada)["secrets"] == [made["id"]]


def test_a_secret_is_of_one_inbox_and_of_the_key_of_the_server(app, ada):
    made = ada.post(SECRETS).json
    ada.post(OTHER, {})
    with app.app_context():
        mine, theirs = (db.session.get_one(Website, id) for id in (DEMO, EMAIL))
        theirs.first_salt = mine.first_salt
        db.session.flush()
        assert secrets_of(mine) == [made["secret"]] != secrets_of(theirs)
        app.config["SECRET_KEY"] = "another one"
        assert secrets_of(mine) != [made["secret"]]


def test_of_secrets_that_are_made_at_once_two_are_made(ada):
    jobs = [gevent.spawn(ada.post, SECRETS) for _ in range(4)]
    answers = [job.get() for job in jobs]
    assert sorted(answer.status_code for answer in answers) == [201, 201, 422, 422]
    made = {answer.json["id"] for answer in answers if answer.status_code == 201}
    assert set(website(ada)["secrets"]) == made


# Removal


def test_removing_a_chat_ends_its_visitors_and_leaves_everything_else(app, ada, maria):
    theirs = visitor_of(app, EMAIL, "daniel.weber@example.com")
    mine, script = visitor_of(app, DEMO), CustomerClient(app, "maria.lindqvist@example.com")
    with app.app_context():
        contacts = {DEMO: mine.id, EMAIL: theirs.id}
        db.session.add_all(
            Identity(inbox_id=inbox, subject="1", contact_id=id) for inbox, id in contacts.items()
        )
        db.session.commit()
    stream = mine.stream("/streams/conversations/1")
    stream.named("stream.open")
    assert ada.post(f"{PAGE}/delete").status_code == 204
    assert envelope(stream.named("stream.closed"))["reason"] == "signed_out"
    assert stream.ended()
    assert mine.get("/conversations/1").status_code == 401
    assert script.get("/conversations/1").status_code == 200  # a token of no inbox
    assert theirs.get("/conversations/7").status_code == 200
    assert ada.get("/conversations/1").status_code == 200
    assert website(ada) is None
    assert ada.post(f"{PAGE}/delete").status_code == 404
    with app.app_context():
        assert list(db.session.scalars(select(Identity.inbox_id))) == [EMAIL]
    assert ada.post(PAGE, {}).json["key"] != KEY
    assert mine.get("/conversations/1").status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_more_tokens_than_end_in_one_transaction_all_end(app, ada, maria):
    with app.app_context():
        texts = [f"{n:064x}" for n in range(MAX_ENDED + 1)]
        db.session.add_all(
            Token(digest=text, name="Visitor", scope="visitor", contact_id=maria.id, inbox_id=DEMO)
            for text in texts
        )
        db.session.commit()
    assert ada.post(f"{PAGE}/delete").status_code == 204
    with app.app_context():
        assert db.session.scalars(select(Token).where(Token.inbox_id == DEMO)).all() == []
    assert maria.get("/conversations/1").status_code == 200


def test_sessions_that_begin_as_the_chat_is_removed_leave_no_token(app, ada):
    def start():
        return app.test_client().post(f"/chat/{KEY}/session", json={})

    assert start().status_code == 201
    jobs = [gevent.spawn(start) for _ in range(4)]
    removal = gevent.spawn(ada.post, f"{PAGE}/delete")
    jobs += [gevent.spawn(start) for _ in range(4)]
    assert removal.get().status_code == 204
    assert {job.get().status_code for job in jobs} <= {201, 404, 503}
    assert start().status_code == 404
    with app.app_context():
        assert db.session.scalars(select(Token).where(Token.inbox_id == DEMO)).all() == []


def test_a_session_that_found_the_website_before_it_was_removed_gets_no_token(app, ada, maria):
    with app.app_context():
        contact = db.session.get_one(Contact, maria.id)
        add_website_token(contact, DEMO)
        db.session.commit()
        assert ada.post(f"{PAGE}/delete").status_code == 204
        contact = db.session.get_one(Contact, maria.id)
        with pytest.raises(NotFound):
            add_website_token(contact, DEMO)


# The page


def test_the_inboxes_page_leads_to_each_inboxs_chat(ada):
    assert re.findall(r'href="(/inboxes/\d/website)"', ada.page("/accounts/1/inboxes").text) == [
        OTHER,
        PAGE,
    ]


def test_a_form_gives_an_inbox_a_chat_and_a_second_click_leads_to_it(app, ada):
    assert ada.page(OTHER).text.count("<form") == 1
    for greeting in ("Hello", "Hello again"):
        answer = form(app, ada, OTHER, origins="", greeting=greeting, away="", accent="#1d4ed8")
        assert (answer.status_code, answer.location) == (303, OTHER)
    assert website(ada, OTHER)["greeting"] == "Hello"


def test_the_page_has_the_settings_and_the_snippet_as_text(app, ada):
    hostile = "</textarea><i>\"&'{{ 7 * 7 }}"
    ada.post(SETTINGS, {"greeting": hostile, "away": hostile, "origins": ["https://shop.example"]})
    with app.app_context():
        db.session.get_one(Inbox, DEMO).name = "<i>Web</i>"
        db.session.commit()
    page = ada.page(PAGE).text
    assert "<i>" not in page
    assert "&lt;script async src=&#34;http://localhost/widget.js&#34;" in page
    assert "49" not in re.findall(r'name="greeting"[^>]*>([^<]*)<', page)[0]
    assert f'href="http://localhost/chat/{KEY}"' in page
    assert "It works on https://shop.example." in page


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("origins", "https://shop.example/<i>"),
        ("origins", "*"),
        ("greeting", "x" * 501),
        ("away", " "),
        ("accent", '"><i>'),
        ("language", "fr"),
    ],
)
@pytest.mark.parametrize("path", [SETTINGS, OTHER])
def test_a_refused_form_comes_back_with_what_was_written_and_the_error_at_its_field(
    app, ada, path, field, wrong
):
    fields = {"origins": "https://kept.example", "greeting": "Kept", "away": "", "language": "de"}
    answer = form(app, ada, path, **{**fields, "accent": "#123456", field: wrong})
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert answer.text.count('class="problem"') == 1
    (described,) = re.findall(r'aria-invalid="true" aria-describedby="([^"]+)"', answer.text)
    assert described == f"{field}-problem"
    assert f'id="{described}"' in answer.text
    assert "<i>" not in answer.text
    kept = {"greeting": ">Kept<", "origins": ">https://kept.example<"}
    assert [text for name, text in kept.items() if name != field and text not in answer.text] == []
    assert website(ada)["greeting"] == ""
    assert website(ada, OTHER) is None


def test_a_page_shows_a_new_secret_once_and_offers_no_third(app, ada):
    for _ in range(2):
        page = form(app, ada, SECRETS)
        assert page.status_code == 201
        (shown,) = re.findall(r'class="secret" value="([0-9a-f]{64})"', page.text)
        assert "stream-cursor" not in page.text  # it would load itself again, without the secret
        assert shown not in ada.page(PAGE).text
    assert "Make a secret" not in ada.page(PAGE).text
    third = form(app, ada, SECRETS)
    assert third.status_code == 422
    assert "there are two already" in third.text
    (gone, _) = website(ada)["secrets"]
    answer = form(app, ada, f"{SECRETS}/{gone}/delete")
    assert (answer.status_code, answer.location) == (303, PAGE)


def test_a_form_removes_the_chat_and_the_page_offers_a_new_one(app, ada):
    answer = form(app, ada, f"{PAGE}/delete")
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "Make the chat" in ada.page(PAGE).text
    stale = form(app, ada, SETTINGS, greeting="From a page that is still open")
    assert stale.status_code == 404
    assert website(ada) is None


def test_no_agent_sees_the_page(kevin, grace):
    for agent in (kevin, grace):
        answer = agent.page(PAGE)
        assert answer.status_code == 403
        assert "Only an administrator" in answer.text


def test_each_change_is_an_event_for_administrators_and_has_no_secret(app, ada, subscribe):
    stream = subscribe("account:1", ada)
    assert stream.confirmed
    secret = ada.post(SECRETS).json
    ada.post(f"{SECRETS}/{secret['id']}/delete")
    ada.post(SETTINGS, {"greeting": "Hello"})
    ada.post(f"{PAGE}/delete")
    ada.post(PAGE, {})
    changes = 0
    while changes < 5:
        event = stream.next_event()
        if event.event != "unread.changed":
            assert event.event == "settings.changed"
            assert event.data == {"account_id": 1, "part": "inboxes"}
            changes += 1
