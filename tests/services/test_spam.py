"""The status spam: customers' messages in it open nothing and alert nobody, and no list but its own
has it."""

import pytest

from rtapp import presence
from rtapp.events.catalogue import DURABLE
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.services.assign_waiting import assign_waiting

from ..state import verified
from ..support import outbox_drained
from ..unread.numbers import follow_unread

LIST = "/accounts/1/conversations"
STATUS = "/conversations/1/status"  # of Maria's conversation, which is Kevin's and open


def conversation(client):
    return client.get("/conversations/1").json["conversation"]


def mark(client, status="spam", **more):
    answer = client.post(STATUS, {"status": status, **more})
    assert answer.status_code == 200, answer.data
    return answer.json


def listed(client, query=""):
    return {row["id"] for row in client.get(f"{LIST}?limit=100{query}").json["conversations"]}


def notices(client):
    return [row["id"] for row in client.get("/accounts/1/notifications").json["notifications"]]


def statuses_of(received, client):
    return [event for event in received[client] if event == "conversation.status_changed"]


def test_spam_is_a_status_with_its_activity_and_its_event_and_can_be_taken_back(
    verify_action, ada, kevin, grace
):
    with verify_action(1, ada, kevin, grace) as received:
        marked = mark(kevin)
    assert (marked["status"], marked["waiting_since"]) == ("spam", None)
    assert statuses_of(received, ada) == statuses_of(received, kevin) != []
    assert received[grace] == []
    line = ada.get("/conversations/1/messages").json["messages"][-1]
    assert (line["message_type"], line["content"]) == ("activity", "Kevin marked this as spam")
    with verify_action(1, ada, kevin, grace) as received:
        assert mark(kevin, "open", version=marked["version"])["status"] == "open"
    assert statuses_of(received, ada) != []


def test_marking_as_spam_what_a_colleague_has_resolved_meanwhile_is_refused(ada, kevin):
    version = conversation(kevin)["version"]
    mark(ada, "resolved")
    refused = kevin.post(STATUS, {"status": "spam", "version": version})
    assert (refused.status_code, refused.json["current"]["status"]) == (409, "resolved")


@pytest.mark.parametrize(("status", "opens"), [("spam", False), ("resolved", True)])
def test_a_customers_message_opens_a_resolved_conversation_and_leaves_spam_as_it_is(
    app, ada, kevin, maria, status, opens
):
    mark(kevin, status)
    with verified(app, 1, ada, kevin) as received:
        assert maria.send(1, "Buy now!").status_code == 201
    assert "message.created" in received[kevin]
    assert bool(statuses_of(received, kevin)) == opens
    assert conversation(kevin)["status"] == ("open" if opens else status)
    assert (conversation(kevin)["waiting_since"] is not None) == opens


@pytest.mark.parametrize(("status", "alerts"), [("spam", False), ("pending", True)])
def test_a_customers_message_in_spam_notifies_no_assignee_and_counts_for_no_agent(
    ada, kevin, maria, status, alerts
):
    assert conversation(ada)["assignee"]["id"] == kevin.id
    mark(ada, status)
    before = notices(kevin)
    with follow_unread(ada, kevin) as counts:
        assert maria.send(1, "Buy now!").status_code == 201
        for each in counts:
            each.agree()
            assert (each.conversations["1"] > 0) == alerts
            assert (each.fetched()["conversations"]["1"] > 0) == alerts
    assert (len(notices(kevin)) > len(before)) == alerts


def test_marking_as_spam_takes_a_conversation_out_of_the_counts_and_undoing_it_puts_it_back(
    kevin, maria
):
    maria.send(1, "Hello?")
    with follow_unread(kevin) as counts:
        assert counts.conversations["1"] > 0
        mine = counts.views["mine"]
        assert mine > 0
        mark(kevin)
        counts.become(c1=0, mine=mine - 1)
        mark(kevin, "open")
        counts.become(mine=mine)
        assert counts.conversations["1"] > 0


def test_no_list_and_no_search_but_those_of_spam_find_it(ada):
    others = listed(ada)
    assert 1 in others
    assert {1} <= listed(ada, "&q=lindqvist") & listed(ada, "&q=%231")
    mark(ada)
    for query in ("", "&status=any", "&q=lindqvist", "&q=%231", "&q=lindqvist&status=any",
                  "&assignee=2", "&inbox=1", "&sort=oldest", "&status=open",
                  "&status=resolved"):  # fmt: skip
        assert 1 not in listed(ada, query), query
    assert listed(ada, "&status=spam") == {1}
    assert listed(ada, "&status=spam&q=lindqvist") == listed(ada, "&status=spam&q=%231") == {1}
    assert listed(ada, "&status=spam&q=nothing-like-it") == set()
    mark(ada, "open")
    assert listed(ada) == others
    assert listed(ada, "&status=spam") == set()


def test_taking_a_conversation_out_of_spam_restores_since_when_its_customer_waits(ada, maria):
    waiting = conversation(ada)["waiting_since"]
    assert waiting is not None
    mark(ada)
    assert maria.send(1, "Still there?").status_code == 201
    assert conversation(ada)["waiting_since"] is None
    assert mark(ada, "pending")["waiting_since"] == waiting


@pytest.mark.parametrize(("status", "assigned"), [("spam", False), ("resolved", True)])
def test_spam_is_assigned_to_nobody_when_its_customer_writes(
    app, ada, kevin, maria, subscribe, status, assigned
):
    assert subscribe("presence:1", kevin).confirmed
    ada.post("/inboxes/1", {"auto_assign": True, "assignment_cap": None})
    ada.post("/conversations/1/assignee", {"assignee_id": None})
    mark(ada, status)
    with app.app_context():
        assert kevin.id in {int(id) for id in presence.present(1).snapshots[0].present}
    assert maria.send(1, "Buy now!").status_code == 201
    with app.app_context():
        assert assign_waiting() == 0
        row = db.session.get_one(Conversation, 1)
        assert (row.assignee_id == kevin.id) == assigned
        assert row.awaits_assignee_since is None


def test_a_customer_is_not_shown_that_their_conversation_is_spam(app, ada, maria, subscribe):
    stream = subscribe("conversation:1", maria)
    mark(ada)
    assert maria.get("/conversations/1").json["conversation"]["status"] == "open"
    assert ada.send(1, "An answer nevertheless").status_code == 201
    assert outbox_drained(app)
    first = stream.next_event()
    while first.event not in DURABLE:
        first = stream.next_event()
    assert (first.event, first.data["content"]) == ("message.created", "An answer nevertheless")
