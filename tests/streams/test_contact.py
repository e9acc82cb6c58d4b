"""A visitor's streams: `contact:<id>`, all that they have in an inbox, and `website:<inbox>`."""

import pytest

from rtapp import create_app
from rtapp.config import STREAMS_PER_VISITOR
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import InboxMember
from rtapp.models import Token

from ..support import ApiClient
from ..support import VisitorClient
from ..support import eventually
from ..support import outbox_drained
from ..support import release
from ..world import add_website
from ..world import all_logs

PRESENCE = "/accounts/1/presence"

pytestmark = pytest.mark.usefixtures("website")


@pytest.fixture
def opened(subscribe):
    """Open the contact stream of a visitor, and wait for its snapshot of presence."""

    def opened(client, *more):
        stream = subscribe([f"contact:{client.id}", *more], client)
        assert stream.confirmed
        assert stream.next_event().event == "inbox.presence"
        return stream

    return opened


def start(client, text="Hello"):
    answer = client.start(text)
    assert answer.status_code == 201, answer.data
    return answer.json["conversation"]["id"]


def until(stream, name):
    while (event := stream.next_event()).event != name:
        pass
    return event


def rest(stream, app):
    """The names of the events up to now."""
    assert outbox_drained(app)
    marker = stream.client.start("the marker")
    assert marker.status_code == 201
    names = []
    while (event := stream.next_event()).data.get("content") != "the marker":
        names.append(event.event)
    return names


# What it carries


def test_a_new_conversation_and_its_message_come_on_the_contact_stream(vera, opened):
    stream = opened(vera)
    answer = vera.start("Hello").json
    created, message = stream.next_event(), stream.next_event()
    assert (created.event, created.stream) == ("conversation.created", f"contact:{vera.id}")
    assert created.data == answer["conversation"]
    assert (message.event, message.data) == ("message.created", answer["message"])
    assert message.id > created.id


def test_what_happens_in_each_of_the_conversations_comes_in_the_customers_form(
    app, vera, kevin, opened
):
    first, second = start(vera), start(vera)
    assert outbox_drained(app)
    stream = opened(vera)
    sent = kevin.send(first, "A reply", client_id="agents-own-id").json
    reply = stream.next_event()
    assert (reply.event, reply.stream) == ("message.created", f"contact:{vera.id}")
    assert reply.data == {**sent, "client_id": None}
    kevin.send(second, "A note", private=True)
    kevin.post(f"/conversations/{second}/status", {"status": "pending"})
    kevin.post(f"/conversations/{second}/labels", {"add": 1})
    kevin.post(f"/conversations/{second}/assignee", {"assignee_id": kevin.id})
    kevin.post(f"/conversations/{second}/read", {"message_id": sent["id"]})
    kevin.post(f"/conversations/{second}/typing", {"typing": True})
    kevin.post(f"/conversations/{second}/status", {"status": "resolved"})
    resolved = stream.next_event()  # the first of these that is for a customer
    assert (resolved.event, resolved.data["id"]) == ("conversation.status_changed", second)
    assert resolved.data["changed_by"] == {"id": 0, "name": "Support"}
    kevin.post(f"/messages/{sent['id']}", {"content": "Changed"})
    assert stream.next_event().data["content"] == "Changed"
    kevin.post(f"/messages/{sent['id']}/delete")
    assert stream.next_event().event == "message.deleted"
    kevin.post(f"/contacts/{vera.id}", {"name": "Vera"})
    renamed = {stream.next_event().data["id"] for _ in range(2)}
    assert renamed == {first, second}


def test_a_conversation_that_an_agent_starts_comes_too(app, vera, kevin, opened):
    with app.app_context():
        db.session.get_one(Contact, vera.id).email = "vera@example.com"
        db.session.commit()
    stream = opened(vera)
    new = {"contact": {"name": "V", "email": "vera@example.com"}, "content": "Your lamp is here"}
    id = kevin.post("/accounts/1/conversations", {**new, "inbox_id": 1}).json["id"]
    created = stream.next_event()
    assert (created.event, created.data["id"]) == ("conversation.created", id)
    assert created.data["last_message"]["preview"] == "Your lamp is here"


def test_nothing_of_another_inbox_or_visitor_comes(app, vera, will, kevin, grace, opened):
    with app.app_context():
        db.session.get_one(Contact, vera.id).email = "vera@example.com"
        db.session.commit()
    stream = opened(vera)
    new = {"contact": {"name": "V", "email": "vera@example.com"}, "content": "Your invoice"}
    there = grace.post("/accounts/1/conversations", {**new, "inbox_id": 2}).json["id"]
    grace.send(there, "Paid?")
    wills = start(will, "Mine")
    kevin.send(wills, "Yours")
    assert rest(stream, app) == ["conversation.created"]  # that of the marker


def test_a_stream_that_resumes_receives_what_it_missed(app, vera, kevin, opened):
    id = start(vera)
    assert outbox_drained(app)
    stream = opened(vera)
    stream.drop()
    kevin.send(id, "Missed")
    new = start(vera, "Another one")
    assert outbox_drained(app)
    stream.resume()
    assert stream.resumed
    assert until(stream, "message.created").data["content"] == "Missed"
    assert stream.next_event().data["id"] == new


def test_both_streams_of_a_visitor_share_a_connection(app, vera, kevin, opened):
    id = start(vera)
    assert outbox_drained(app)
    stream = opened(vera, f"conversation:{id}", "website:1")
    kevin.post(f"/conversations/{id}/typing", {"typing": True})
    assert stream.next_event().event == "typing"
    kevin.send(id, "Hello")
    found = [stream.next_event() for _ in range(3)]
    assert [event.stream for event in found if event.event == "message.created"] == [
        f"conversation:{id}", f"contact:{vera.id}",
    ]  # fmt: skip
    ids = {event.data["id"] for event in found if event.event == "message.created"}
    assert len(ids) == 1  # by which a client finds that it is one


# Who may


def test_only_the_visitor_may_open_their_streams(app, vera, will, ada, kevin, maria, subscribe):
    assert subscribe(f"contact:{vera.id}", vera).topics == [f"contact:{vera.id}:1", "website:1"]
    assert subscribe("website:1", vera).topics == ["website:1"]
    for client in (will, ada, kevin, maria):
        assert subscribe(f"contact:{vera.id}", client).rejected == 404
    for client in (ada, kevin, maria):
        assert subscribe("website:1", client).rejected == 404
    for stream in ("contact:999", "contact:1", "website:2"):
        assert subscribe(stream, vera).rejected == 404
    assert subscribe(f"contact:{vera.id}", None).rejected == 401


def test_the_token_of_another_inbox_opens_nothing_of_this_one(app, vera, subscribe):
    elsewhere = VisitorClient(app, add_website(app, 2, "website2"))
    assert subscribe("website:1", elsewhere).rejected == 404
    assert subscribe(f"contact:{vera.id}", elsewhere).rejected == 404
    assert subscribe("website:2", elsewhere).confirmed


def test_a_visitor_has_three_streams_at_most(vera, will, subscribe):
    open = [subscribe(f"contact:{vera.id}", vera) for _ in range(STREAMS_PER_VISITOR)]
    assert all(stream.confirmed for stream in open)
    refused = vera.get(f"/streams/contacts/{vera.id}")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert subscribe(f"contact:{will.id}", will).confirmed
    open[0].close()
    eventually(lambda: subscribe(f"contact:{vera.id}", vera).confirmed)


def test_the_end_of_the_token_ends_the_stream(app, vera, opened):
    stream = opened(vera)
    assert vera.post("/chat/website1/session/delete").status_code == 204
    assert until(stream, "stream.closed").data["reason"] == "signed_out"


def test_the_end_of_the_websites_tokens_ends_the_streams(app, vera, opened):
    stream = opened(vera)
    with app.app_context():
        db.session.query(Token).delete()
        db.session.commit()
        app.extensions["broker"].recheck(-vera.id)
    assert until(stream, "stream.closed").data["reason"] == "signed_out"


# Merges


def test_after_a_merge_the_visitor_receives_what_the_kept_contact_does(
    app, ada, vera, will, opened
):
    start(vera)
    wills = start(will)
    assert outbox_drained(app)
    veras, kept = opened(vera), opened(will)
    assert ada.post(f"/contacts/{vera.id}/merge", {"into": will.id}).status_code == 200
    for stream in (veras, kept):
        assert until(stream, "stream.reset").data["reason"] == "history_lost"
    eventually(lambda: veras.topics == [f"contact:{will.id}:1", "website:1"])
    ada.send(wills, "To both of you")
    for stream in (veras, kept):
        message = until(stream, "message.created")
        assert (message.stream, message.data["content"]) == (
            f"contact:{will.id}", "To both of you",
        )  # fmt: skip
    assert ada.post("/contact-merges/1/undo", {}).status_code == 200
    for stream in (veras, kept):
        assert until(stream, "stream.reset").data["reason"] == "history_lost"
    eventually(lambda: veras.topics == [f"contact:{vera.id}:1", "website:1"])
    ada.send(wills, "To Will")
    assert until(kept, "message.created").data["content"] == "To Will"
    assert "message.created" not in rest(veras, app)[:-1]


def test_a_merge_of_conversations_resets_the_contact_stream(app, ada, vera, opened):
    first, second = start(vera), start(vera)
    assert outbox_drained(app)
    stream = opened(vera)
    assert ada.post(f"/conversations/{first}/merge", {"into": second}).status_code == 200
    assert until(stream, "stream.reset").data["reason"] == "history_lost"
    rows = vera.get("/chat/website1/conversations").json["conversations"]
    assert [row["id"] for row in rows] == [second]


# The presence of the inbox's members


def present(client):
    return client.get("/chat/website1/conversations").json["present"]


def test_presence_is_announced_as_the_first_member_comes_and_the_last_one_goes(
    app, ada, kevin, vera, opened, subscribe
):
    ada.post(PRESENCE, {"status": "online"})
    with app.app_context():
        db.session.merge(InboxMember(inbox_id=1, user_id=ada.id))
        db.session.commit()
    stream = subscribe("website:1", vera)
    first = stream.next_event()
    assert (first.event, first.stream) == ("inbox.presence", "website:1")
    assert first.data == {"account_id": 1, "inbox_id": 1, "present": False}
    assert present(vera) is False
    assert subscribe("presence:1", kevin).confirmed
    assert stream.next_event().data == {"account_id": 1, "inbox_id": 1, "present": True}
    assert present(vera) is True
    assert subscribe("presence:1", ada).confirmed  # the second one is announced to nobody
    eventually(lambda: members(app) == 2)
    kevin.post(PRESENCE, {"status": "busy"})
    eventually(lambda: members(app) == 1)
    ada.post(PRESENCE, {"status": "offline"})
    assert stream.next_event().data == {"account_id": 1, "inbox_id": 1, "present": False}
    assert present(vera) is False
    kevin.post(PRESENCE, {"status": "online"})
    assert stream.next_event().data["present"] is True


def test_members_of_other_inboxes_and_administrators_beside_them_do_not_count(
    app, grace, ada, kevin, vera, opened, subscribe
):
    with app.app_context():
        db.session.query(InboxMember).filter_by(user_id=ada.id).delete()
        db.session.commit()
    stream = opened(vera)
    assert subscribe("presence:1", grace).confirmed
    assert subscribe("presence:1", ada).confirmed
    assert present(vera) is False
    assert subscribe("presence:1", kevin).confirmed
    assert until(stream, "inbox.presence").data["present"] is True


def test_a_member_who_leaves_the_inbox_is_not_there_any_more(
    app, ada, kevin, vera, opened, subscribe
):
    stream = opened(vera)
    assert subscribe("presence:1", kevin).confirmed
    assert until(stream, "inbox.presence").data["present"] is True
    changed = ada.post(
        f"/accounts/1/settings/members/{kevin.id}",
        {"role": "agent", "sees": "inbox", "inbox_ids": []},
    )
    assert changed.status_code == 200
    assert until(stream, "inbox.presence").data["present"] is False


def test_a_visitor_does_not_learn_who_is_there_and_leaves_no_log_by_looking(
    app, kevin, vera, opened, subscribe
):
    logs = all_logs(app)
    stream = opened(vera)
    assert subscribe("presence:1", kevin).confirmed
    event = until(stream, "inbox.presence")
    assert event.data.keys() == {"account_id", "inbox_id", "present"}
    assert all_logs(app) == logs


def test_without_redis_nobody_is_there_and_the_list_is_answered(vera, monkeypatch):
    start(vera)

    def away(*_, **__):
        raise ConnectionError("Redis is away")

    monkeypatch.setattr(vera.app.extensions["broker"].for_requests, "read", away)
    answer = vera.get("/chat/website1/conversations").json
    assert (len(answer["conversations"]), answer["present"]) == (1, False)


def test_members_in_two_processes_are_announced_once(app, ada, kevin, vera, subscribe):
    with app.app_context():
        db.session.merge(InboxMember(inbox_id=1, user_id=ada.id))
        db.session.commit()
    second = create_app(app.extensions["settings"])
    second.extensions["engine"].start()
    try:
        there = ApiClient(second, "ada@example.com")
        stream = subscribe("website:1", vera)
        assert stream.next_event().data["present"] is False
        kevins = subscribe("presence:1", kevin)
        adas = there.stream("/streams/accounts/1/presence")
        adas.named("stream.open")
        eventually(lambda: members(app) == 2)
        there.post(PRESENCE, {"status": "busy"})
        kevin.post(PRESENCE, {"status": "busy"})
        assert [stream.next_event().data["present"] for _ in range(2)] == [True, False]
        kevin.post(PRESENCE, {"status": "online"})
        assert stream.next_event().data["present"] is True
        adas.close()
        kevins.close()
    finally:
        second.extensions["engine"].stop()
        release(second)


def members(app):
    return app.extensions["broker"].redis.hlen("rt:{1}:inbox_presence:website:1")
