"""`unread.changed`: its recipients, its triggers, and its counts."""

import time

from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.unread.notifier import PAUSE

from ..support import CustomerClient
from ..support import eventually
from ..support import outbox_drained
from ..unread.numbers import follow_unread
from ..world import restrict_to_assigned

# Conversation 1 is in Kevin's inbox, assigned to him and open; 2 is unassigned; 7 is assigned to
# Grace, in her inbox.


def last_id(client, conversation=1):
    return client.get(f"/conversations/{conversation}/messages?limit=1").json["messages"][-1]["id"]


def read(client, conversation=1):
    path = f"/conversations/{conversation}/read"
    return client.post(path, {"message_id": last_id(client, conversation)})


def test_a_new_account_stream_receives_its_agents_unread_counts(ada, kevin):
    with follow_unread(ada, kevin) as (hers, his):
        hers.agree()
        his.agree()
        assert len(hers.changes) == len(his.changes) == 1
        assert hers.views != his.views


def test_unread_changed_has_no_id_and_names_the_account_stream(kevin):
    with follow_unread(kevin) as his:
        frame = next(f for f in his.stream.raw.split("\n\n") if "unread.changed" in f)
    assert frame.startswith('event: unread.changed\ndata: {"event":"unread.changed","stream":')
    assert '"stream":"account:1"' in frame


def test_a_customers_messages_are_unread_until_the_conversation_is_read(kevin, ada, maria):
    read(kevin)
    with follow_unread(kevin) as his:
        his.become(c1=0, mine=0)
        maria.send(1, "to you")
        his.become(c1=1, mine=1)
        maria.send(1, "and you")
        his.become(c1=2)
        ada.send(1, "a colleague's reply")
        assert his.next_change()["conversations"] == {"1": 2}
        ada.send(1, "among us", private=True)
        assert his.next_change()["conversations"] == {"1": 2}
        read(kevin)
        his.become(c1=0, mine=0)
        his.agree()


def test_an_agents_own_message_marks_the_conversation_as_read_for_them(kevin, maria):
    maria.send(1, "to you")
    with follow_unread(kevin) as his:
        assert his.conversations["1"] > 0
        kevin.send(1, "my answer")
        his.become(c1=0, mine=0)
        his.agree()


def test_an_edit_leaves_the_unread_count_and_a_deletion_lowers_it(kevin, ada, maria):
    read(kevin)
    first, second = (maria.send(1, text).json["id"] for text in ("one", "two"))
    last = ada.send(1, "three").json["id"]
    with follow_unread(kevin) as his:
        his.become(c1=2)
        ada.post(f"/messages/{last}", {"content": "edited"})
        assert his.next_change()["conversations"] == {"1": 2}
        ada.post(f"/messages/{first}/delete")  # not the last one
        his.become(c1=1, mine=1)
        ada.post(f"/messages/{second}/delete")
        his.become(c1=0, mine=0)
        his.agree()


def test_an_activity_is_not_counted_as_unread(kevin, ada):
    read(kevin)
    with follow_unread(kevin) as his:
        his.become(c1=0)
        ada.post("/conversations/1/status", {"status": "pending"})
        assert his.next_change()["conversations"] == {"1": 0}
        his.agree()


def test_reading_on_one_stream_updates_the_users_other_streams(kevin):
    with follow_unread(kevin, kevin) as (desk, phone):
        assert desk.conversations["1"] > 0
        read(kevin)
        desk.become(c1=0, mine=0)
        phone.become(c1=0, mine=0)


def test_reading_sends_no_unread_changed_to_other_users(kevin, ada):
    with follow_unread(kevin, ada) as (his, hers):
        before = dict(hers.conversations)
        read(kevin)
        his.become(c1=0)
        ada.post("/conversations/2/status", {"status": "pending"})
        change = hers.next_change()  # the first since the snapshot
        assert change["conversations"] == {"2": before["2"]}
        assert len(hers.changes) == 2


def test_a_conversation_without_access_is_neither_counted_nor_published_as_unread(
    app, kevin, grace, maria
):
    daniel = CustomerClient(app, "daniel.weber@example.com")
    with follow_unread(kevin, grace) as (his, hers):
        daniel.send(7, "to Grace's inbox")
        hers.become(c7=hers.conversations["7"] + 1)
        maria.send(1, "to Kevin's inbox")
        assert his.next_change()["conversations"].keys() == {"1"}
        assert len(his.changes) == 2
        assert "7" not in his.conversations


def test_unread_counts_of_views_follow_the_assignment(kevin, ada):
    with follow_unread(kevin) as his:
        before = dict(his.views)
        assert before["unassigned"] == 1
        ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
        his.become(mine=before["mine"] + 1, unassigned=0, all=before["all"])
        ada.post("/conversations/2/assignee", {"assignee_id": ada.id})
        his.become(mine=before["mine"], unassigned=0, all=before["all"])
        ada.post("/conversations/2/assignee", {"assignee_id": None})
        his.become(**before)


def test_unread_counts_of_views_include_only_open_conversations(kevin, ada, maria):
    with follow_unread(kevin) as his:
        before = dict(his.views)
        for status in ("pending", "snoozed", "resolved"):
            ada.post("/conversations/1/status", {"status": status})
            his.become(mine=before["mine"] - 1, all=before["all"] - 1)
            assert his.conversations["1"] > 0
            ada.post("/conversations/1/status", {"status": "open"})
            his.become(**before)
        ada.post("/conversations/1/status", {"status": "resolved"})
        his.become(mine=before["mine"] - 1)
        maria.send(1, "it is not")  # reopens it
        his.become(**before)


def test_a_new_conversation_of_a_colleague_has_nothing_unread(kevin, ada):
    with follow_unread(kevin) as his:
        before = his.views["all"]
        new = {"inbox_id": 1, "contact": {"name": "N", "email": "n@example.com"}, "content": "Hi"}
        id = ada.post("/accounts/1/conversations", new).json["id"]
        his.become(**{f"c{id}": 0}, all=before)
        his.agree()


def test_leaving_an_inbox_zeroes_its_unread_counts_and_joining_restores_them_as_unassigned(
    app, kevin, maria
):
    with follow_unread(kevin) as his:
        before, some = dict(his.views), dict(his.conversations)
        assert before["all"] > 0
        change(app, remove_from_inbox, kevin)
        his.become(mine=0, unassigned=0, all=0, **{f"c{id}": 0 for id in some})
        maria.send(1, "not received")
        assert outbox_drained(app)
        change(app, add_to_inbox, kevin)
        returned = {"mine": 0, "unassigned": before["mine"] + before["unassigned"]}
        his.become(c1=some["1"] + 1, **before | returned)
        his.agree()


def test_unread_counts_of_an_agent_restricted_to_assigned_follow_the_assignment(app, kevin, ada):
    restrict_to_assigned(app, kevin)
    with follow_unread(kevin) as his:
        his.agree()
        assert his.views["unassigned"] == 0
        assert his.views["mine"] == his.views["all"] > 0
        ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
        his.become(c2=1)
        ada.post("/conversations/1/assignee", {"assignee_id": None})
        his.become(c1=0)
        his.agree()


def test_a_burst_of_messages_is_published_in_few_unread_changed_of_which_the_last_is_right(
    kevin, maria
):
    read(kevin)
    with follow_unread(kevin) as his:
        his.become(c1=0)
        already, began = len(his.changes), time.monotonic()
        for n in range(50):
            assert maria.send(1, f"{n}").status_code == 201
        his.become(c1=50, mine=1)
        events, took = len(his.changes) - already, time.monotonic() - began
        assert events <= 2 + took / PAUSE


def test_an_unread_count_above_the_maximum_is_published_as_the_maximum(kevin, maria):
    read(kevin)
    with follow_unread(kevin) as his:
        for n in range(101):
            assert maria.send(1, f"{n}").status_code == 201
        his.become(c1=100)


def test_two_streams_on_one_connection_receive_unread_changed_once(kevin, ada):
    both = kevin.stream("/streams?stream=account:1&stream=conversation:1")
    both.named("stream.open")
    both.ephemeral("unread.changed")
    read(ada)  # published to the thread; Kevin's counts do not change
    both.named("conversation.read")
    ada.send(2, "the next event")
    assert both.ephemeral("unread.changed")["conversations"] == {"2": 1}
    both.close()


def test_unread_changed_is_not_sent_to_conversation_streams_or_customers(kevin, maria, ada):
    streams = [client.stream("/streams/conversations/1") for client in (kevin, maria)]
    for stream in streams:
        stream.named("stream.open")
    with follow_unread(kevin) as his:
        ada.send(1, "to all of you")
        his.become(c1=his.conversations["1"])
        for stream in streams:
            stream.named("message.created")
            assert "unread" not in stream.raw
            stream.close()


def test_unread_changed_is_rendered_as_an_element_with_the_counts(kevin):
    stream = kevin.stream("/streams/accounts/1?format=turbo")
    stream.named("stream.open")
    html = stream.any().data
    assert html.startswith('<turbo-stream action="update" target="unread" data-stream="account:1">')
    assert '<data id="unread-numbers" value="3"' in html
    assert """data-conversations='{"1": 2, """ in html
    stream.close()
    stream = kevin.stream("/streams/accounts/1?format=html")
    stream.named("stream.open")
    event = stream.any()
    assert (event.event, event.data[:26]) == ("unread.changed", '<data id="unread-numbers" ')
    stream.close()


def test_unread_counts_are_right_after_a_lost_pubsub_connection(kevin, maria, engine):
    with follow_unread(kevin) as his:
        before, connections = his.conversations["1"], engine.topics.generation
        assert engine.broker.redis.client_kill_filter(_type="pubsub") == 1
        maria.send(1, "while the connection is lost")
        eventually(lambda: engine.topics.generation > connections)
        his.become(c1=before + 1)
        his.agree()


def change(app, service, agent):
    with app.app_context():
        service(db.session.get(Inbox, 1), db.session.get(User, agent.id))
