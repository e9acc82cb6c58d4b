"""The page of a website's chat: who may embed it, what it leaves behind, and its form."""

import json
import re
from html import unescape

import pytest
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from rtapp.accent import source
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import Token
from rtapp.models import Website
from rtapp.pages.chat_words import WORDS

from ..world import add_website
from ..world import all_rows

CHAT = "/chat/website1"
HTML = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def website(app):
    return add_website(app)


@pytest.fixture
def browser(app):
    """A browser without scripts."""
    return app.test_client()


def change(app, **columns):
    with app.app_context():
        db.session.execute(update(Website).values(**columns))
        db.session.commit()


def policy(answer):
    parts = answer.headers["Content-Security-Policy"].split("; ")
    return {name: rest.split() for name, _, rest in (part.partition(" ") for part in parts)}


def settings(answer):
    found = re.search('data-settings="([^"]*)"', answer.text)
    assert found is not None
    return json.loads(unescape(found[1]))


def write(browser, content="Hello", headers=HTML, path=CHAT, **fields):
    return browser.post(path, data={"content": content, **fields}, headers=headers)


def contents(app):
    with app.app_context():
        query = select(Message.content, Conversation.id).join(
            Conversation, Conversation.id == Message.conversation_id
        )
        new = query.where(Message.contact_id > 12).order_by(Message.id)
        return [tuple(row) for row in db.session.execute(new)]


def count(app, model):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model))


@pytest.mark.parametrize(
    ("origins", "ancestors"),
    [
        ("https://shop.example", ["https://shop.example"]),
        (
            "https://shop.example http://localhost:8080",
            ["https://shop.example", "http://localhost:8080"],
        ),
        ("", ["'none'"]),
    ],
)
def test_exactly_the_websites_origins_may_embed_the_page(app, browser, origins, ancestors):
    change(app, origins=origins)
    answer = browser.get(CHAT, headers=HTML)
    assert answer.status_code == 200
    assert policy(answer)["frame-ancestors"] == ancestors
    assert policy(answer)["img-src"] == ["'self'", "blob:"]
    assert settings(answer)["origins"] == origins.split()


def test_no_other_page_can_be_embedded_and_none_by_its_error(app, browser):
    for path in ("/login", "/forgot", "/chat/unknown", "/chat/..%2f", "/chat/website1/", "/chat/"):
        answer = browser.get(path, headers=HTML)
        assert policy(answer)["frame-ancestors"] == ["'none'"], path
    assert browser.get("/chat/unknown", headers=HTML).status_code == 404
    assert browser.get("/chat/unknown").json["status"] == 404
    refused = write(browser, content="", headers={**HTML, "Origin": "https://evil.example"})
    assert (refused.status_code, policy(refused)["frame-ancestors"]) == (400, ["'none'"])


def test_page_views_leave_no_row_and_no_cookie(app, browser):
    before = all_rows(app)
    for _ in range(100):
        answer = browser.get(CHAT, headers=HTML)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    assert all_rows(app) == before


def test_the_style_sheet_of_the_page_is_the_only_one_that_its_policy_allows(app, browser):
    change(app, accent="#ffd400")
    answer = browser.get(CHAT, headers=HTML)
    (style,) = re.findall("<style>(.*?)</style>", answer.text)
    assert "--accent:#ffd400" in style
    assert policy(answer)["style-src"] == ["'self'", source(style)]


def test_texts_of_the_website_are_texts_in_the_page(app, browser):
    change(app, greeting="</script><b>'\"&", away="</script><b>'\"&", language="de")
    answer = browser.get(CHAT, headers=HTML)
    assert settings(answer)["away"] == "</script><b>'\"&"
    assert "<b>" not in answer.text
    assert '<html lang="de" dir="ltr">' in answer.text
    assert WORDS["de"].send in answer.text
    assert WORDS["en"].send in browser.get(f"{CHAT}?lang=en", headers=HTML).text
    assert WORDS["de"].send in browser.get(f"{CHAT}?lang=xx", headers=HTML).text


def test_each_language_has_all_words():
    for words in WORDS.values():
        assert all(words)
        assert "{}" in words.too_fast


def test_a_browser_without_scripts_writes_reads_the_answer_and_goes_on(app, browser, kevin):
    sent = write(browser, "Is it <b>in stock</b>?", name="Vera", email="Vera@example.com")
    assert sent.status_code == 303
    page = browser.get(sent.headers["Location"], headers=HTML)
    assert WORDS["en"].sent in page.text
    assert "Is it &lt;b&gt;in stock&lt;/b&gt;?" in page.text
    ((_, conversation),) = contents(app)
    with app.app_context():
        contact = db.session.get_one(Conversation, conversation).contact
        assert (contact.name, contact.email, contact.given_email) == (
            "Vera", None, "vera@example.com"
        )  # fmt: skip
    kevin.post(
        f"/conversations/{conversation}/messages", {"content": "Not for her", "private": True}
    )
    kevin.post(f"/conversations/{conversation}/messages", {"content": "It is, in green"})
    page = browser.get(CHAT, headers=HTML)
    assert "It is, in green" in page.text
    assert "Not for her" not in page.text
    assert write(browser, "Thank you").status_code == 303
    assert contents(app)[1:] == [("Thank you", conversation)]


def test_a_message_after_the_end_of_a_conversation_begins_another_one(app, browser, kevin):
    write(browser, "First")
    ((_, first),) = contents(app)
    kevin.post(f"/conversations/{first}/status", {"status": "resolved"})
    assert WORDS["en"].resolved in browser.get(CHAT, headers=HTML).text
    write(browser, "Second")
    (_, second) = contents(app)
    assert second[0] == "Second"
    assert second[1] != first


def test_the_cookie_is_of_this_page_alone_and_opens_nothing_else(app, browser):
    cookie = write(browser).headers["Set-Cookie"]
    attributes = cookie.split("; ")
    assert attributes[0].startswith("chat=rtapp_c")
    assert {"HttpOnly", "Path=/chat/website1", "SameSite=Strict"} <= set(attributes)
    assert browser.get(f"{CHAT}/conversations").status_code == 401
    assert browser.get("/conversations/1/messages").status_code == 401
    token = attributes[0].removeprefix("chat=")
    mine = browser.get(f"{CHAT}/conversations", headers={"Authorization": f"Bearer {token}"})
    assert len(mine.json["conversations"]) == 1  # the precondition: the token holds


def test_the_cookie_lasts_while_its_visitor_writes_as_the_token_does(app, browser):
    first, second = (write(browser, text).headers["Set-Cookie"] for text in ("One", "Two"))
    assert first.split("; ")[0] == second.split("; ")[0]
    assert "Max-Age=2592000" in second.split("; ")
    with app.app_context():
        app.extensions["token_uses"].write()
        [token] = db.session.scalars(select(Token).where(Token.inbox_id.is_not(None)))
        assert token.last_used_at is not None


def test_the_cookie_of_another_website_and_a_forged_one_open_nothing(app, browser):
    add_website(app, 2, "website2")
    token = write(browser, path="/chat/website2").headers["Set-Cookie"]
    text = token.partition("=")[2].partition(";")[0]
    for value in (text, text[:-1] + "x", "x", ""):
        other = app.test_client()
        other.set_cookie("chat", value, path=CHAT)
        page = other.get(CHAT, headers=HTML)
        assert "Hello" not in page.text
        assert 'name="email"' in page.text
    other.set_cookie("chat", text, path="/chat/website2")
    assert "Hello" in other.get("/chat/website2", headers=HTML).text


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://shop.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_cant_send_the_form_even_one_that_may_embed_the_page(app, browser, headers):
    before = all_rows(app)
    refused = write(browser, headers={**HTML, **headers})
    assert refused.status_code == 400
    assert "Set-Cookie" not in refused.headers
    assert all_rows(app) == before
    assert write(browser, headers={**HTML, "Origin": "http://localhost"}).status_code == 303


def test_an_agent_who_is_signed_in_may_try_the_form(app, browser):
    credentials = {"email": "ada@example.com", "password": "password"}
    assert browser.post("/login", json=credentials).status_code == 200
    assert write(browser).status_code == 303
    ((content, conversation),) = contents(app)
    with app.app_context():
        assert content == "Hello"
        assert db.session.get_one(Conversation, conversation).last_message.user_id is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"content": " \u200b"}, WORDS["en"].bad_content),
        ({"content": "x" * 10_001}, WORDS["en"].bad_content),
        ({"name": "x" * 10_000}, WORDS["en"].bad_name),
        ({"email": "no address"}, WORDS["en"].bad_email),
        ({"website": "https://spam.example"}, WORDS["en"].failed),
        ({"unknown": "x"}, WORDS["en"].failed),
    ],
)
def test_what_is_not_right_is_named_nothing_is_sent_and_the_text_stays(
    app, browser, fields, sentence
):
    before = all_rows(app)
    refused = write(browser, **{"content": "My <long> text", **fields})
    assert refused.status_code == 422
    assert sentence in unescape(refused.text)
    if "content" not in fields:
        assert "My &lt;long&gt; text</textarea>" in refused.text
    assert "Set-Cookie" not in refused.headers
    assert all_rows(app) == before


def test_a_form_that_is_sent_twice_arrives_once(app, browser):
    write(browser, "First")
    page = browser.get(CHAT, headers=HTML)
    (client_id,) = re.findall('name="client_id" value="([0-9a-f]{32})"', page.text)
    for _ in range(2):
        assert write(browser, "Second", client_id=client_id).status_code == 303
    assert [content for content, _ in contents(app)] == ["First", "Second"]


def test_a_blocked_visitor_is_refused_politely_and_keeps_the_text(app, browser):
    write(browser)
    with app.app_context():
        db.session.execute(update(Contact).where(Contact.id > 12).values(blocked=True))
        db.session.commit()
    refused = write(browser, "Rude")
    assert refused.status_code == 403
    assert WORDS["en"].blocked in unescape(refused.text)
    assert [content for content, _ in contents(app)] == ["Hello"]


def test_after_the_website_is_removed_the_page_is_gone(app, browser):
    write(browser)
    with app.app_context():
        db.session.query(Website).delete()
        db.session.commit()
    assert browser.get(CHAT, headers=HTML).status_code == 404
    assert write(browser, "Anybody?").status_code == 404
    assert count(app, Token) == 1
    assert [content for content, _ in contents(app)] == ["Hello"]
