"""`unread.changed`: to whom it goes, when, and that what it says is right."""

import time

from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.unread.notifier import PAUSE

from ..support import eventually
from ..support import outbox_drained
from ..unread.numbers import listening
from ..world import sees_assigned

# Conversation 1 is in Kevin's inbox, his and open; 2 is nobody's; 7 is Grace's, in hers.


def last_id(who, conversation=1):
    return who.get(f"/conversations/{conversation}/messages?limit=1").json["messages"][-1]["id"]


def read(who, conversation=1):
    path = f"/conversations/{conversation}/read"
    return who.post(path, {"message_id": last_id(who, conversation)})


def test_whoever_begins_to_listen_is_told_what_there_is(ada, kevin):
    with listening(ada, kevin) as (hers, his):
        hers.agree()
        his.agree()
        assert len(hers.heard) == len(his.heard) == 1
        assert hers.views != his.views


def test_it_has_no_id_and_names_the_account_stream(kevin):
    with listening(kevin) as his:
        frame = next(f for f in his.stream.raw.split("\n\n") if "unread.changed" in f)
    assert frame.startswith('event: unread.changed\ndata: {"event":"unread.changed","stream":')
    assert '"stream":"account:1"' in frame


def test_what_others_write_is_unread_until_it_is_read(kevin, ada, maria):
    read(kevin)
    with listening(kevin) as his:
        his.become(c1=0, mine=0)
        ada.send(1, "to you")
        his.become(c1=1, mine=1)
        maria.send(1, "and I")
        his.become(c1=2)
        ada.send(1, "among us", private=True)
        his.become(c1=3, mine=1)
        read(kevin)
        his.become(c1=0, mine=0)
        his.agree()


def test_who_writes_has_read_and_their_own_is_not_unread(kevin, ada):
    ada.send(1, "to you")
    with listening(kevin) as his:
        assert his.conversations["1"] > 0
        kevin.send(1, "my answer")
        his.become(c1=0, mine=0)
        his.agree()


def test_an_edit_changes_no_number_and_a_deletion_takes_one(kevin, ada):
    read(kevin)
    first, second = (ada.send(1, text).json["id"] for text in ("one", "two"))
    with listening(kevin) as his:
        his.become(c1=2)
        ada.post(f"/messages/{second}", {"content": "edited"})
        assert his.hear()["conversations"] == {"1": 2}
        ada.post(f"/messages/{first}/delete")  # not the last one
        his.become(c1=1, mine=1)
        ada.post(f"/messages/{second}/delete")
        his.become(c1=0, mine=0)
        his.agree()


def test_activity_is_not_unread(kevin, ada):
    read(kevin)
    with listening(kevin) as his:
        his.become(c1=0)
        ada.post("/conversations/1/status", {"status": "pending"})
        assert his.hear()["conversations"] == {"1": 0}
        his.agree()


def test_reading_on_one_device_is_told_to_the_other(kevin):
    with listening(kevin, kevin) as (desk, phone):
        assert desk.conversations["1"] > 0
        read(kevin)
        desk.become(c1=0, mine=0)
        phone.become(c1=0, mine=0)


def test_reading_is_told_to_nobody_else(kevin, ada):
    with listening(kevin, ada) as (his, hers):
        before = dict(hers.conversations)
        read(kevin)
        his.become(c1=0)
        ada.post("/conversations/2/status", {"status": "pending"})
        heard = hers.hear()  # the first since
        assert heard["conversations"] == {"2": before["2"]}
        assert len(hers.heard) == 2


def test_what_is_not_seen_is_not_counted_nor_told(kevin, grace, ada):
    with listening(kevin, grace) as (his, hers):
        ada.send(7, "to Grace's inbox")
        hers.become(c7=hers.conversations["7"] + 1)
        ada.send(1, "to Kevin's inbox")
        assert his.hear()["conversations"].keys() == {"1"}
        assert len(his.heard) == 2
        assert "7" not in his.conversations


def test_views_follow_assignment(kevin, ada):
    with listening(kevin) as his:
        before = dict(his.views)
        assert before["unassigned"] == 1
        ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
        his.become(mine=before["mine"] + 1, unassigned=0, all=before["all"])
        ada.post("/conversations/2/assignee", {"assignee_id": ada.id})
        his.become(mine=before["mine"], unassigned=0, all=before["all"])
        ada.post("/conversations/2/assignee", {"assignee_id": None})
        his.become(**before)


def test_views_have_what_is_open(kevin, ada, maria):
    with listening(kevin) as his:
        before = dict(his.views)
        for status in ("pending", "snoozed", "resolved"):
            ada.post("/conversations/1/status", {"status": status})
            his.become(mine=before["mine"] - 1, all=before["all"] - 1)
            assert his.conversations["1"] > 0
            ada.post("/conversations/1/status", {"status": "open"})
            his.become(**before)
        ada.post("/conversations/1/status", {"status": "resolved"})
        his.become(mine=before["mine"] - 1)
        maria.send(1, "it is not")  # which opens it
        his.become(**before)


def test_a_new_conversation_counts_for_others(kevin, ada):
    with listening(kevin, ada) as (his, hers):
        before = his.views["all"]
        new = {"inbox_id": 1, "contact": {"name": "N", "email": "n@example.com"}, "content": "Hi"}
        id = ada.post("/accounts/1/conversations", new).json["id"]
        his.become(**{f"c{id}": 1}, all=before + 1)
        hers.become(**{f"c{id}": 0})
        hers.agree()


def test_an_inbox_lost_takes_its_numbers_and_gained_brings_them(app, kevin, ada):
    with listening(kevin) as his:
        before, some = dict(his.views), dict(his.conversations)
        assert before["all"] > 0
        change(app, remove_from_inbox, kevin)
        his.become(mine=0, unassigned=0, all=0, **{f"c{id}": 0 for id in some})
        ada.send(1, "unheard")
        assert outbox_drained(app)
        change(app, add_to_inbox, kevin)
        his.become(c1=some["1"] + 1, **before)
        his.agree()


def test_an_agent_of_what_is_assigned_loses_and_gains_by_assignment(app, kevin, ada):
    sees_assigned(app, kevin)
    with listening(kevin) as his:
        his.agree()
        assert his.views["unassigned"] == 0
        assert his.views["mine"] == his.views["all"] > 0
        ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
        his.become(c2=1)
        ada.post("/conversations/1/assignee", {"assignee_id": None})
        his.become(c1=0)
        his.agree()


def test_a_burst_is_told_in_few_events_of_which_the_last_is_right(kevin, ada):
    read(kevin)
    with listening(kevin) as his:
        his.become(c1=0)
        already, began = len(his.heard), time.monotonic()
        for n in range(50):
            assert ada.send(1, f"{n}").status_code == 201
        his.become(c1=50, mine=1)
        events, took = len(his.heard) - already, time.monotonic() - began
        assert events <= 2 + took / PAUSE
        assert events < 25


def test_more_than_the_most_is_said_as_the_most(kevin, ada):
    read(kevin)
    with listening(kevin) as his:
        for n in range(101):
            ada.send(1, f"{n}")
        his.become(c1=100)


def test_streams_that_share_a_connection_hear_it_once(kevin, ada):
    both = kevin.stream("/streams?stream=account:1&stream=conversation:1")
    both.named("stream.open")
    both.ephemeral("unread.changed")
    read(ada)  # said in the thread, and of no concern to Kevin's numbers
    both.named("conversation.read")
    ada.send(2, "the next thing that is counted")
    assert both.ephemeral("unread.changed")["conversations"] == {"2": 2}
    both.close()


def test_a_thread_or_a_visitor_hears_nothing_of_it(kevin, maria, ada):
    streams = [who.stream("/streams/conversations/1") for who in (kevin, maria)]
    for stream in streams:
        stream.named("stream.open")
    with listening(kevin) as his:
        ada.send(1, "to all of you")
        his.become(c1=his.conversations["1"])
        for stream in streams:
            stream.named("message.created")
            assert "unread" not in stream.raw
            stream.close()


def test_pages_are_given_an_element_with_the_numbers(kevin):
    stream = kevin.stream("/streams/accounts/1?format=turbo")
    stream.named("stream.open")
    said = stream.any().data
    assert said.startswith('<turbo-stream action="update" target="unread" data-stream="account:1">')
    assert '<data id="unread-numbers" value="3"' in said
    assert """data-conversations='{"1": 2, """ in said
    stream.close()
    stream = kevin.stream("/streams/accounts/1?format=html")
    stream.named("stream.open")
    event = stream.any()
    assert (event.event, event.data[:26]) == ("unread.changed", '<data id="unread-numbers" ')
    stream.close()


def test_a_lost_pubsub_connection_is_made_up_for(kevin, ada, hub):
    with listening(kevin) as his:
        before, connections = his.conversations["1"], hub.topics.generation
        assert hub.broker.redis.client_kill_filter(_type="pubsub") == 1
        ada.send(1, "while nobody listens")
        eventually(lambda: hub.topics.generation > connections)
        his.become(c1=before + 1)
        his.agree()


def change(app, service, who):
    with app.app_context():
        service(db.session.get(Inbox, 1), db.session.get(User, who.id))
