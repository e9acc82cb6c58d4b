"""A blocked contact neither reads nor writes."""

import gevent
import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Message

from ..actions.refusals import STALE
from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import CustomerClient
from ..support import VisitorClient
from ..support import outbox_drained
from ..world import add_website
from ..world import all_logs
from ..world import all_rows

MARIA, TOM = 1, 2
BLOCK = f"/contacts/{MARIA}/block"


@pytest.fixture
def tom(app):
    return CustomerClient(app, "tom.okafor@example.com")


def block(client, blocked=True, id=MARIA):
    answer = client.post(f"/contacts/{id}/block", {"blocked": blocked})
    assert answer.status_code == 200, answer.data
    assert answer.json["blocked"] is blocked
    return answer.json


def next_named(stream, name):
    """The stream's next event with this name. Others may come before, of those who look on."""
    while (event := stream.next_event()).event != name:
        pass
    return event


def refused(answer):
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert "blocked you" in answer.json["detail"]


def written(client):
    return [row["content"] for row in client.get("/conversations/1/messages").json["messages"]]


def test_blocking_a_contact_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(
            path="/contacts/{id}/block", id=MARIA, body={"blocked": True}, required=["blocked"],
            bad={"blocked": [None, "perhaps", 2, [], {}], "version": ["1", 0, -1, 1.5, True]},
        ),
        Case("stale version", 409, body={"blocked": True, "version": STALE}),
    )  # fmt: skip


def test_the_token_of_a_blocked_contact_opens_nothing_until_it_is_unblocked(
    app, kevin, maria, subscribe
):
    sent = {"content": "Before", "client_id": "c-1"}
    first = maria.post("/conversations/1/messages", sent)
    assert first.status_code == 201
    stream = subscribe("conversation:1", maria)
    block(kevin)
    assert next_named(stream, "stream.closed").data["reason"] == "forbidden"
    assert outbox_drained(app)
    rows, logs = all_rows(app), all_logs(app)
    for path, body in (
        ("messages", {"content": "Let me in"}),
        ("messages", sent),
        ("typing", {"typing": True}),
        ("typing", {"typing": False}),
        ("read", {"message_id": 1}),
    ):
        refused(maria.post(f"/conversations/1/{path}", body))
    for path in (
        "/conversations/1",
        "/conversations/1/messages",
        "/me",
        "/streams?stream=conversation:1",
    ):
        refused(maria.get(path))
    assert outbox_drained(app)
    assert (all_rows(app), all_logs(app)) == (rows, logs)
    note = kevin.send(1, "Please call us")
    assert note.status_code == 201
    block(kevin, False)
    assert "Please call us" in written(maria)
    assert maria.post("/conversations/1/messages", sent).json["id"] == first.json["id"]
    assert maria.post("/conversations/1/read", {"message_id": note.json["id"]}).status_code == 204
    assert maria.post("/conversations/1/typing", {"typing": True}).status_code == 204
    assert subscribe("conversation:1", maria).confirmed
    assert maria.send(1, "Thank you").status_code == 201


def test_a_blocked_visitor_of_a_website_is_refused_everywhere_and_their_streams_close(
    app, kevin, subscribe
):
    vera = VisitorClient(app, add_website(app))
    id = vera.start("Hello").json["conversation"]["id"]
    stream = subscribe(f"contact:{vera.id}", vera)
    block(kevin, id=vera.id)
    assert next_named(stream, "stream.closed").data["reason"] == "forbidden"
    assert outbox_drained(app)
    rows = all_rows(app)
    for path in ("session", "session/delete", "conversations", "contact"):
        refused(vera.post(f"/chat/website1/{path}", {"content": "x"}))
    refused(vera.get("/chat/website1/conversations"))
    refused(vera.send(id, "Let me in"))
    refused(vera.get(f"/streams/contacts/{vera.id}"))
    assert all_rows(app) == rows
    block(kevin, False, id=vera.id)
    assert subscribe(f"contact:{vera.id}", vera).confirmed
    assert vera.start("Thank you").status_code == 201


def test_no_conversation_is_started_after_the_block_that_was_sent_with_it_at_once(app, kevin):
    vera = VisitorClient(app, add_website(app))
    assert vera.start("Hello").status_code == 201
    jobs = [
        gevent.spawn(vera.start, "At the same time 1"),
        gevent.spawn(kevin.post, f"/contacts/{vera.id}/block", {"blocked": True}),
        gevent.spawn(vera.start, "At the same time 2"),
    ]
    gevent.joinall(jobs, raise_error=True)
    statuses = [job.value.status_code for job in jobs]
    assert statuses[1] == 200
    assert {statuses[0], statuses[2]} <= {201, 403}
    assert vera.start("Later").status_code == 403


def test_another_contact_writes_while_one_is_blocked(kevin, tom):
    block(kevin)
    assert tom.send(2, "Hello").status_code == 201


def test_blocking_reaches_the_agents_with_the_contact_and_the_customer_without(
    verify_action, ada, kevin, grace, maria, subscribe
):
    agents, customers = subscribe("conversation:1", kevin), subscribe("conversation:1", maria)
    with verify_action(1, ada, kevin, grace) as received:
        block(kevin)
    assert {*received[ada]} == {"conversation.contact_changed", "conversation.updated"}
    assert received[grace] == []
    assert next_named(agents, "conversation.contact_changed").data["contact"]["blocked"] is True
    closed = next_named(customers, "stream.closed")
    assert closed.data["reason"] == "forbidden"
    block(kevin, False)
    again = subscribe("conversation:1", maria)
    kevin.post("/contacts/1", {"phone": "030 1"})
    public = next_named(again, "conversation.contact_changed")
    assert public.data["contact"] | {"phone": None, "blocked": False} == public.data["contact"]


def test_blocking_a_blocked_contact_changes_and_publishes_nothing(app, kevin):
    block(kevin)
    assert outbox_drained(app)
    rows, logs = all_rows(app), all_logs(app)
    assert kevin.post(BLOCK, {"blocked": True, "version": STALE}).status_code == 200
    assert outbox_drained(app)
    assert (all_rows(app), all_logs(app)) == (rows, logs)


def test_no_message_is_committed_after_the_block_that_was_sent_with_it_at_once(app, kevin, maria):
    jobs = [
        gevent.spawn(maria.send, 1, "At the same time 1"),
        gevent.spawn(kevin.post, BLOCK, {"blocked": True}),
        gevent.spawn(maria.send, 1, "At the same time 2"),
    ]
    gevent.joinall(jobs, raise_error=True)
    statuses = [job.value.status_code for job in jobs]
    assert statuses[1] == 200
    assert {statuses[0], statuses[2]} <= {201, 403}
    with app.app_context():
        stored = db.session.scalars(
            select(Message.content).where(Message.content.like("At the same time%"))
        )
        assert len(stored.all()) == statuses.count(201)
    assert maria.send(1, "Later").status_code == 403


@pytest.mark.parametrize("kept_is_blocked", [True, False])
def test_after_a_merge_the_kept_contact_decides_and_undoing_it_restores_each(
    ada, maria, tom, kept_is_blocked
):
    block(ada, id=TOM if kept_is_blocked else MARIA)
    expected = 403 if kept_is_blocked else 201
    merged = ada.post(f"/contacts/{MARIA}/merge", {"into": TOM})
    assert merged.json["blocked"] == kept_is_blocked
    for client in (maria, tom):
        for id in (1, 2):
            assert client.send(id, "Hello").status_code == expected
    assert ada.post(BLOCK, {"blocked": True}).status_code == 409
    assert ada.post("/contact-merges/1/undo", {}).status_code == 200
    assert maria.send(1, "Hello again").status_code == (201 if kept_is_blocked else 403)
    assert tom.send(2, "Hello again").status_code == (403 if kept_is_blocked else 201)


# The pages


def test_the_contacts_page_blocks_and_unblocks_by_a_form(app, kevin):
    page = kevin.page(f"/contacts/{MARIA}").text
    assert ">Block<span" in page
    assert ">Blocked<" not in page
    headers = {**kevin.headers, "Accept": "text/html"}
    for blocked in ("true", "false"):
        answer = app.test_client().post(BLOCK, data={"blocked": blocked}, headers=headers)
        assert (answer.status_code, answer.location) == (303, f"/contacts/{MARIA}")
        page = kevin.page(f"/contacts/{MARIA}").text
        assert (">Blocked<" in page) == (">Unblock<span" in page) == (blocked == "true")
        assert (">Blocked<" in kevin.page("/conversations/1").text) == (blocked == "true")
    assert ">Blocked<" not in kevin.page("/conversations/2").text


def test_the_confirmation_of_a_merge_shows_which_contact_is_blocked(ada):
    path = f"/contacts/{MARIA}/merge?into={TOM}"
    assert ">Blocked<" not in ada.page(path).text
    block(ada)
    assert ">Blocked</th><td>Yes</td><td><strong>No</strong>" in ada.page(path).text
    with ada.app.app_context():
        assert db.session.get_one(Contact, TOM).blocked is False
