import gevent
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import ReadMarker

from ..support import envelope
from ..world import open_stream
from .refusals import Action
from .refusals import Case


def ids(client, conversation=1):
    messages = client.get(f"/conversations/{conversation}/messages").json["messages"]
    return [message["id"] for message in messages]


def test_marking_as_read_refuses_bad_input(refusals, other, ada, maria):
    (elsewhere, *_), (*_, private) = ids(ada, 2), ids(ada)
    assert private not in ids(maria)
    read = Action(
        path="/conversations/{id}/read",
        id=1,
        body={"message_id": private},
        required=["message_id"],
        bad={"message_id": [None, "1", 0, -1, 1.5, True, 2**31, [1]]},
        visitor=422,
    )
    field = "message_id"
    refusals.check(
        read._replace(visitor=200),
        Case("no such message", 422, field, {field: 999_999}),
        Case("a message of another conversation", 422, field, {field: elsewhere}),
        Case("a message of another account", 422, field, {field: other.message}),
        Case("a note, for the customer", 422, field, {field: private}, principal="maria"),
    )


def markers(app):
    with app.app_context():
        rows = db.session.scalars(select(ReadMarker))
        return {(row.user_id, row.conversation_id): row.message_id for row in rows}


def test_a_read_marker_belongs_to_one_agent_and_never_moves_back(app, ada, kevin, outbox):
    first, *_, last = ids(ada)
    assert ada.post("/conversations/1/read", {"message_id": last}).status_code == 204
    assert ada.post("/conversations/1/read", {"message_id": first}).status_code == 204
    assert kevin.post("/conversations/1/read", {"message_id": first}).status_code == 204
    assert markers(app) == {(ada.id, 1): last, (kevin.id, 1): first}


def test_a_read_marker_is_published_to_the_thread_and_the_readers_own_streams(ada, kevin):
    first, second, *_ = ids(ada)
    with (
        open_stream(kevin, "conversation:1") as thread,
        open_stream(ada, "account:1") as own,
        open_stream(kevin, "account:1") as others,
    ):
        for stream in (thread, own, others):
            stream.named("stream.open")
        for message_id in (first, second, first):
            ada.post("/conversations/1/read", {"message_id": message_id})
        ada.send(1, "the next event")
        for stream, next_one in ((thread, "message.created"), (own, "conversation.updated")):
            for expected in (first, second):
                assert envelope(stream.named("conversation.read"))["data"] == {
                    "id": 1,
                    "account_id": 1,
                    "reader": {"type": "user", "id": ada.id},
                    "message_id": expected,
                }
            stream.named(next_one)
        others.named("conversation.updated")


def test_a_customers_read_position_is_stored_and_published_to_agents(app, ada, maria):
    seen = ids(maria)[-1]
    with open_stream(ada, "conversation:1") as stream:
        stream.named("stream.open")
        assert maria.post("/conversations/1/read", {"message_id": seen}).status_code == 204
        data = envelope(stream.named("conversation.read"))["data"]
    assert data["reader"] == {"type": "contact", "id": maria.id}
    with app.app_context():
        assert db.session.get(Conversation, 1).contact_read_id == seen
    assert markers(app) == {}


def test_the_furthest_of_concurrent_read_markers_remains(app, ada):
    some = ids(ada)
    jobs = [
        gevent.spawn(ada.post, "/conversations/1/read", {"message_id": id})
        for id in (*some, *reversed(some))
    ]
    gevent.joinall(jobs)
    assert {job.value.status_code for job in jobs} == {204}
    assert markers(app) == {(ada.id, 1): some[-1]}
