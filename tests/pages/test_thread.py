"""The thread as a page: which part of it is shown, and what its customer has seen of it."""

import re

import pytest
from sqlalchemy import select

from rtapp.config import PAGE_SIZE
from rtapp.extensions import db
from rtapp.models import Message

from ..support import CustomerClient
from ..support import envelope
from ..support import outbox_drained

THREAD = "/conversations/2"


def page_of(who, query=""):
    return who.page(THREAD + query).text


def ids(page):
    return [int(id) for id in re.findall(r'<li id="message-(\d+)"', page)]


def link(page, text):
    found = re.search(rf'<a class="button" href="([^"]+)">{text}</a>', page)
    return found[1] if found else None


@pytest.fixture
def whole(app):
    """The ids of a thread of three pages, with gaps between them."""
    with app.app_context():
        for n in range(3 * PAGE_SIZE - 1):
            for of in (2, 3):
                db.session.add(
                    Message(account_id=1, conversation_id=of, user_id=1, content=f"Line {n}")
                )
            db.session.flush()
        db.session.commit()
        mine = select(Message.id).where(Message.conversation_id == 2)
        return list(db.session.scalars(mine.order_by(Message.id)))


def test_a_page_around_a_message_has_as_many_before_as_after(ada, whole):
    wanted = whole[70]
    page = page_of(ada, f"?message={wanted}&status=open")
    assert ids(page) == whole[46:96]
    assert 'data-newest="false"' in page
    assert link(page, "Earlier messages") == f"{THREAD}?status=open&amp;before={whole[46]}"
    assert link(page, "Later messages") == f"{THREAD}?status=open&amp;after={whole[95]}"
    assert link(page, "Newest messages") == f"{THREAD}?status=open"


def test_near_an_end_the_page_ends_there(ada, whole):
    for at, shown in ((0, slice(0, 26)), (99, slice(75, 125)), (100, slice(100, 150))):
        page = page_of(ada, f"?message={whole[at]}")
        assert ids(page) == whole[shown]
        assert ('data-newest="true"' in page) == (shown.stop == len(whole))
        assert (link(page, "Earlier messages") is None) == (shown.start == 0)


def test_the_pages_after_a_message_lead_to_the_newest(ada, whole):
    page, shown = page_of(ada, "?after=0"), []
    while path := link(page, "Later messages"):
        shown += ids(page)
        page = ada.page(path).text
    assert [*shown, *ids(page)] == whole
    assert link(page, "Earlier messages") == f"{THREAD}?before={whole[100]}"


def test_a_message_of_elsewhere_is_a_place_like_any_other(ada, whole):
    elsewhere = whole[70] + 1
    assert elsewhere not in whole
    assert ids(page_of(ada, f"?message={elsewhere}")) == whole[46:96]
    assert ids(page_of(ada, "?message=2147483647")) == whole[100:]
    assert ids(page_of(ada, "?before=1")) == []


def test_no_such_place(ada):
    for query in ("?message=0", "?message=x", "?after=-1", "?message=2147483648"):
        assert ada.page(THREAD + query).status_code == 400, query


def test_a_notification_leads_to_its_message(ada, kevin):
    note = ada.post(f"{THREAD}/messages", {"content": "@Kevin look", "private": True}).json["id"]
    assert f'href="{THREAD}?message={note}#message-{note}"' in page_of(kevin)


# ---- what the customer has seen


@pytest.fixture
def tom(app):
    """The customer of conversation 2."""
    return CustomerClient(app, "tom.okafor@example.com")


def say(who, content, **more):
    return who.post(f"{THREAD}/messages", {"content": content, **more}).json["id"]


def seen(page):
    """The messages that are marked, and how far the customer has read."""
    marked = [
        int(re.match(r"\d+", part)[0])
        for part in page.split('<li id="message-')[1:]
        if 'class="seen"' in part.partition("</li>")[0]
    ]
    return marked, int(re.search(r'id="contact-read" value="(\d+)"', page)[1])


def test_the_last_reply_that_the_customer_has_read_is_marked_as_seen(ada, tom):
    first, second = say(ada, "One"), say(ada, "Two")
    assert seen(page_of(ada)) == ([], 0)
    tom.post(f"{THREAD}/read", {"message_id": first})
    assert seen(page_of(ada)) == ([first], first)
    tom.post(f"{THREAD}/read", {"message_id": second})
    assert seen(page_of(ada)) == ([second], second)
    ada.post(f"/messages/{second}/delete")
    assert seen(page_of(ada)) == ([first], second)


def test_a_note_is_never_marked_and_neither_is_what_the_customer_wrote(ada, tom):
    reply, _, theirs = say(ada, "One"), say(ada, "Hm", private=True), say(tom, "Thanks")
    tom.post(f"{THREAD}/read", {"message_id": theirs})
    assert seen(page_of(ada)) == ([reply], theirs)


def test_a_colleagues_reading_marks_nothing(ada, kevin):
    reply = say(ada, "One")
    kevin.post(f"{THREAD}/read", {"message_id": reply})
    assert seen(page_of(ada)) == ([], 0)


def test_the_team_hears_of_it_in_every_format_and_the_customer_nothing(app, ada, tom):
    reply = say(ada, "One")
    assert outbox_drained(app)
    formats = ["json", "html", "turbo"]
    streams = [ada.stream(f"/streams/conversations/2?format={format}") for format in formats]
    customers = tom.stream("/streams/conversations/2")
    for stream in (*streams, customers):
        stream.named("stream.open")
    tom.post(f"{THREAD}/read", {"message_id": reply})
    say(ada, "Two")
    json, html, turbo = streams
    assert envelope(json.named("conversation.read"))["data"]["message_id"] == reply
    fragment = html.named("conversation.read").data
    assert f'id="contact-read" value="{reply}"' in fragment
    assert fragment in turbo.named("message").data
    customers.named("message.created")
    for stream in (*streams, customers):
        stream.close()


def test_no_cache_keeps_what_is_somebodys(kevin, nobody):
    """Page and JSON have one URL: going back, a browser would show whichever it has."""
    for answer in (kevin.page("/conversations/1"), kevin.get("/conversations/1"),
                   kevin.get("/conversations/999"), nobody.get("/me")):  # fmt: skip
        assert answer.headers["Cache-Control"] == "no-store"
    with nobody.get("/static/js/connector/connector.js") as ours:
        assert (ours.headers["Cache-Control"], "ETag" in ours.headers) == ("no-cache", True)
