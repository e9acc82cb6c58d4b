"""The thread as a page: the shown part, and the customer's read position."""

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


def page_of(client, query=""):
    return client.page(THREAD + query).text


def ids(page):
    return [int(id) for id in re.findall(r'<li id="message-(\d+)"', page)]


def link(page, text):
    found = re.search(rf'<a class="button" href="([^"]+)">{text}</a>', page)
    return found[1] if found else None


@pytest.fixture
def thread(app):
    """The ids of a thread of three pages, with gaps between them."""
    with app.app_context():
        for n in range(3 * PAGE_SIZE - 1):
            for conversation_id in (2, 3):
                db.session.add(
                    Message(
                        account_id=1,
                        conversation_id=conversation_id,
                        user_id=1,
                        content=f"Line {n}",
                    )
                )
            db.session.flush()
        db.session.commit()
        of_thread = select(Message.id).where(Message.conversation_id == 2)
        return list(db.session.scalars(of_thread.order_by(Message.id)))


def test_a_page_around_a_message_shows_as_many_messages_before_as_after(ada, thread):
    wanted = thread[70]
    page = page_of(ada, f"?message={wanted}&status=any")
    assert ids(page) == thread[46:96]
    assert 'data-newest="false"' in page
    assert link(page, "Earlier messages") == f"{THREAD}?status=any&amp;before={thread[46]}"
    assert link(page, "Later messages") == f"{THREAD}?status=any&amp;after={thread[95]}"
    assert link(page, "Newest messages") == f"{THREAD}?status=any"


def test_a_page_around_a_message_near_an_end_of_the_thread_stops_there(ada, thread):
    for at, shown in ((0, slice(0, 26)), (99, slice(75, 125)), (100, slice(100, 150))):
        page = page_of(ada, f"?message={thread[at]}")
        assert ids(page) == thread[shown]
        assert ('data-newest="true"' in page) == (shown.stop == len(thread))
        assert (link(page, "Earlier messages") is None) == (shown.start == 0)


def test_following_later_messages_shows_every_message_up_to_the_newest(ada, thread):
    page, shown = page_of(ada, "?after=0"), []
    while path := link(page, "Later messages"):
        shown += ids(page)
        page = ada.page(path).text
    assert [*shown, *ids(page)] == thread
    assert link(page, "Earlier messages") == f"{THREAD}?before={thread[100]}"


def test_a_page_around_an_id_of_another_conversation_shows_this_thread_there(ada, thread):
    elsewhere = thread[70] + 1
    assert elsewhere not in thread
    assert ids(page_of(ada, f"?message={elsewhere}")) == thread[46:96]
    assert ids(page_of(ada, "?message=2147483647")) == thread[100:]
    assert ids(page_of(ada, "?before=1")) == []


def test_an_invalid_message_id_in_a_threads_query_is_400(ada):
    for query in ("?message=0", "?message=x", "?after=-1", "?message=2147483648"):
        assert ada.page(THREAD + query).status_code == 400, query


def test_a_notification_links_to_its_message_in_the_thread(ada, kevin):
    note = ada.post(f"{THREAD}/messages", {"content": "@Kevin look", "private": True}).json["id"]
    assert f'href="{THREAD}?message={note}#message-{note}"' in page_of(kevin)


# ---- the customer's read position


@pytest.fixture
def tom(app):
    """The customer of conversation 2."""
    return CustomerClient(app, "tom.okafor@example.com")


def send(client, content, **more):
    return client.post(f"{THREAD}/messages", {"content": content, **more}).json["id"]


def seen(page):
    """Return the messages marked as seen, and the customer's read position."""
    marked = [
        int(re.match(r"\d+", part)[0])
        for part in page.split('<li id="message-')[1:]
        if 'class="seen"' in part.partition("</li>")[0]
    ]
    return marked, int(re.search(r'id="contact-read" value="(\d+)"', page)[1])


def test_the_last_reply_read_by_the_customer_is_marked_as_seen(ada, tom):
    first, second = send(ada, "One"), send(ada, "Two")
    assert seen(page_of(ada)) == ([], 0)
    tom.post(f"{THREAD}/read", {"message_id": first})
    assert seen(page_of(ada)) == ([first], first)
    tom.post(f"{THREAD}/read", {"message_id": second})
    assert seen(page_of(ada)) == ([second], second)
    ada.post(f"/messages/{second}/delete")
    assert seen(page_of(ada)) == ([first], second)


def test_private_notes_and_the_customers_own_messages_are_never_marked_as_seen(ada, tom):
    reply, _, theirs = send(ada, "One"), send(ada, "Hm", private=True), send(tom, "Thanks")
    tom.post(f"{THREAD}/read", {"message_id": theirs})
    assert seen(page_of(ada)) == ([reply], theirs)


def test_reading_by_another_agent_marks_nothing_as_seen(ada, kevin):
    reply = send(ada, "One")
    kevin.post(f"{THREAD}/read", {"message_id": reply})
    assert seen(page_of(ada)) == ([], 0)


def test_a_customers_read_event_reaches_agents_in_every_format_and_not_the_customer(app, ada, tom):
    reply = send(ada, "One")
    assert outbox_drained(app)
    formats = ["json", "html", "turbo"]
    streams = [ada.stream(f"/streams/conversations/2?format={format}") for format in formats]
    customer = tom.stream("/streams/conversations/2")
    for stream in (*streams, customer):
        stream.named("stream.open")
    tom.post(f"{THREAD}/read", {"message_id": reply})
    send(ada, "Two")
    json, html, turbo = streams
    assert envelope(json.named("conversation.read"))["data"]["message_id"] == reply
    fragment = html.named("conversation.read").data
    assert f'id="contact-read" value="{reply}"' in fragment
    assert fragment in turbo.named("message").data
    customer.named("message.created")
    for stream in (*streams, customer):
        stream.close()


def test_pages_and_json_are_not_stored_by_caches_and_static_files_are_revalidated(kevin, nobody):
    """A page and its JSON have one URL: from its cache, a browser could show the wrong one."""
    for answer in (kevin.page("/conversations/1"), kevin.get("/conversations/1"),
                   kevin.get("/conversations/999"), nobody.get("/me")):  # fmt: skip
        assert answer.headers["Cache-Control"] == "no-store"
    with nobody.get("/static/js/connector/connector.js") as ours:
        assert (ours.headers["Cache-Control"], "ETag" in ours.headers) == ("no-cache", True)
