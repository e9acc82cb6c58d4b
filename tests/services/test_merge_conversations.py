"""Merges of two conversations of one contact: messages, markers, streams, and the undo log."""

from datetime import timedelta

import gevent
import pytest
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.config import UNDO_DAYS
from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import ConversationMerge
from rtapp.models import Draft
from rtapp.models import Message
from rtapp.models import User
from rtapp.services.reopen_snoozed import reopen_snoozed
from rtapp.services.save_draft import save_draft

from ..actions.refusals import STALE
from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..random_actions import wrong_times
from ..support import outbox_drained
from ..unread.numbers import follow_unread
from ..world import all_logs
from ..world import all_rows

LIST = "/accounts/1/conversations"
MARIA = {"name": "Maria", "email": "maria.lindqvist@example.com"}
FIRST, TOMS, GRACES = 1, 2, 7  # of Maria, in Kevin's inbox; of Tom, in it; in Grace's


def start(client, content="A second question", inbox=1):
    new = {"inbox_id": inbox, "contact": MARIA, "content": content}
    answer = client.post(LIST, new)
    assert answer.status_code == 201, answer.data
    return answer.json["id"]


@pytest.fixture
def second(kevin):
    """A second conversation of Maria."""
    return start(kevin)


def merge(client, source, into, **more):
    answer = client.post(f"/conversations/{source}/merge", {"into": into, **more})
    assert answer.status_code == 200, answer.data
    return answer.json


def merges(client, id):
    return client.get(f"/conversations/{id}").json["merges"]


def separate(client, merged):
    return client.post(f"/conversation-merges/{merged['id']}/undo", {})


def messages(client, id, query=""):
    return client.get(f"/conversations/{id}/messages?limit=100{query}").json["messages"]


def texts(client, id):
    return [row["content"] for row in messages(client, id) if row["message_type"] != "activity"]


def conversation(client, id):
    return client.get(f"/conversations/{id}").json["conversation"]


def listed(client, query=""):
    return [row["id"] for row in client.get(f"{LIST}?limit=100{query}").json["conversations"]]


def next_named(stream, *names):
    while (event := stream.next_event()).event not in names:
        pass
    return event


def test_merging_a_conversation_refuses_bad_input(app, other, ada):
    second = start(ada)
    toms = {"into": TOMS}
    Refusals(app, other).check(
        Action(
            path="/conversations/{id}/merge", id=second, body={"into": FIRST}, required=["into"],
            bad={"into": [None, "1", 0, 2**31, 1.5, True, [1], 999, TOMS, second],
                 "version": ["1", 0, -1, 1.5, True]},
        ),
        Case("another account's conversation", 422, "into", {"into": other.conversation}),
        Case("stale version", 409, body={"into": FIRST, "version": STALE}),
        Case("another contact's", 422, "into", toms, id=FIRST),
        Case("one that the agent does not see", 422, "into", {"into": GRACES}, principal="kevin"),
    )  # fmt: skip


def test_separating_conversations_refuses_bad_input(app, other, ada):
    merge(ada, start(ada), FIRST)
    Refusals(app, other).check(
        Action(path="/conversation-merges/{id}/undo", id=1, body={}, required=[], bad={}),
    )


def test_the_kept_conversation_has_all_messages_in_the_order_in_which_they_were_written(
    app, ada, kevin, maria, second
):
    kevin.send(FIRST, "To the first")
    maria.send(second, "In the second")
    kevin.send(FIRST, "A note in the first", private=True)
    maria.send(FIRST, "In the first")
    before = {row["id"]: row for id in (FIRST, second) for row in messages(ada, id)}
    kept = merge(kevin, second, FIRST)
    after = messages(ada, FIRST)
    assert [row["id"] for row in after[:-1]] == sorted(before)
    for row in after[:-1]:
        assert row == {**before[row["id"]], "conversation_id": FIRST}
    assert after[-1]["message_type"] == "activity"
    assert after[-1]["content"] == f"Kevin merged conversation #{second} into this"
    assert kept == conversation(ada, FIRST)
    assert kept["last_message"]["preview"] == "In the first"
    assert [m["content"] for m in messages(maria, FIRST)[-3:]] == [
        "To the first", "In the second", "In the first",
    ]  # fmt: skip
    assert [error for error in wrong_times(app) if error[0] == FIRST] == []


def test_the_kept_conversation_keeps_its_status_and_assignee_and_gains_the_labels(
    ada, kevin, second
):
    ada.post(f"/conversations/{FIRST}/labels", {"labels": [1]})
    ada.post(f"/conversations/{second}/labels", {"labels": [1, 3]})
    ada.post(f"/conversations/{second}/assignee", {"assignee_id": ada.id})
    ada.post(f"/conversations/{second}/status", {"status": "resolved"})
    ada.post(f"/conversations/{FIRST}/status", {"status": "pending"})
    kept = merge(ada, second, FIRST)
    assert (kept["status"], kept["assignee"]["id"]) == ("pending", kevin.id)
    assert [label["id"] for label in kept["labels"]] == [1, 3]
    assert separate(ada, merges(ada, FIRST)[0]).status_code == 200
    assert [label["id"] for label in conversation(ada, FIRST)["labels"]] == [1]
    restored = conversation(ada, second)
    assert (restored["status"], restored["assignee"]["id"]) == ("resolved", ada.id)
    assert [label["id"] for label in restored["labels"]] == [1, 3]


def test_a_merged_conversation_leaves_every_list_and_its_address_leads_to_the_kept_one(
    ada, kevin, second
):
    assert {FIRST, second} <= {*listed(kevin)}
    merge(kevin, second, FIRST)
    for query in ("", "&status=open", "&q=maria", f"&q=%23{second}", "&sort=oldest", "&inbox=1"):
        assert second not in listed(kevin, query), query
    assert FIRST in listed(kevin, "&q=second question")
    assert conversation(kevin, second)["id"] == FIRST
    assert messages(kevin, second) == messages(kevin, FIRST)
    theirs = ada.get("/contacts/1").json["conversations"]
    assert [row["id"] for row in theirs] == [FIRST]
    page = kevin.page(f"/conversations/{second}?status=any&message=3")
    assert (page.status_code, page.location) == (
        302, f"/conversations/{FIRST}?status=any&message=3",
    )  # fmt: skip
    assert kevin.page(f"/conversations/{second}").location == f"/conversations/{FIRST}"


def test_the_lists_follow_a_merge_and_its_undoing_by_their_events(
    verify_action, ada, kevin, grace, second
):
    with verify_action(TOMS, ada, kevin, grace) as received:
        merge(kevin, second, FIRST)
    for agent in (ada, kevin):
        assert received[agent] == ["conversation.removed", "conversation.updated"]
    assert received[grace] == []
    with verify_action(TOMS, ada, kevin, grace) as received:
        assert separate(kevin, merges(kevin, FIRST)[0]).json["id"] == second
    assert {*received[ada]} == {*received[kevin]} == {"conversation.updated"}
    assert received[grace] == []


def test_the_merged_thread_is_closed_and_the_kept_one_and_the_customers_are_fetched_again(
    app, kevin, maria, second, subscribe
):
    of_merged, of_kept = (
        subscribe(f"conversation:{second}", kevin), subscribe(f"conversation:{FIRST}", kevin),
    )  # fmt: skip
    customers = [subscribe(f"conversation:{id}", maria) for id in (second, FIRST)]
    cursor = kevin.get(f"/conversations/{FIRST}").json["cursor"]
    merge(kevin, second, FIRST)
    assert next_named(of_merged, "stream.closed").data["reason"] == "forbidden"
    assert next_named(of_kept, "stream.reset").data["reason"] == "history_lost"
    for stream in customers:
        assert next_named(stream, "stream.reset")
    assert not subscribe(f"conversation:{second}", kevin).confirmed
    # What is resumed from before the merge has the reset, and no message that moved.
    resumed = subscribe(f"conversation:{FIRST}", kevin, cursor)
    event = next_named(resumed, "message.created", "stream.reset")
    assert event.event == "stream.reset" or event.data["message_type"] == "activity"
    # Both pages of the customer go on.
    assert outbox_drained(app)
    kevin.send(FIRST, "To both of your pages")
    for stream in customers:
        assert next_named(stream, "message.created").data["content"] == "To both of your pages"
    late = subscribe(f"conversation:{second}", maria)
    assert late.confirmed


def test_a_customer_who_writes_into_the_merged_conversation_writes_into_the_kept_one(
    kevin, maria, second
):
    sent = {"content": "Before", "client_id": "c-1"}
    first = maria.post(f"/conversations/{second}/messages", sent).json
    kevin.post(f"/conversations/{FIRST}/status", {"status": "resolved"})
    merge(kevin, second, FIRST)
    again = maria.post(f"/conversations/{second}/messages", sent)
    assert (again.status_code, again.json["id"]) == (200, first["id"])
    answer = maria.send(second, "After")
    assert (answer.status_code, answer.json["conversation_id"]) == (201, FIRST)
    assert texts(kevin, FIRST)[-2:] == ["Before", "After"]
    assert conversation(kevin, FIRST)["status"] == "open"
    read = {"message_id": answer.json["id"]}
    assert maria.post(f"/conversations/{second}/read", read).status_code == 204
    assert maria.post(f"/conversations/{second}/typing", {"typing": True}).status_code == 204
    assert maria.get(f"/conversations/{second}").json["conversation"]["id"] == FIRST


def test_an_agents_actions_on_a_merged_conversation_are_refused_with_the_kept_one(
    app, kevin, second
):
    sent = {"content": "Sent before", "client_id": "k-1"}
    assert kevin.post(f"/conversations/{second}/messages", sent).status_code == 201
    own = messages(kevin, second)[-1]["id"]
    merge(kevin, second, FIRST)
    assert outbox_drained(app)
    rows, logs = all_rows(app), all_logs(app)
    for action, body in (
        ("messages", {"content": "x"}), ("typing", {"typing": True}),
        ("status", {"status": "pending"}), ("assignee", {"assignee_id": None}),
        ("labels", {"labels": [1]}), ("read", {"message_id": own}), ("merge", {"into": TOMS}),
    ):  # fmt: skip
        answer = kevin.post(f"/conversations/{second}/{action}", body)
        assert (action, answer.status_code) == (action, 409)
        assert f"merged into #{FIRST}" in answer.json["detail"]
        assert answer.json["current"] == conversation(kevin, FIRST)
    draft = {"reply": "x", "note": "", "version": 0}
    assert kevin.post(f"/conversations/{second}/draft", draft).status_code == 404
    # A request whose answer was lost is answered as ever.
    assert kevin.post(f"/conversations/{second}/messages", sent).status_code == 200
    assert (all_rows(app), all_logs(app)) == (rows, logs)
    # Its messages are edited where they are.
    assert kevin.post(f"/messages/{own}", {"content": "Edited"}).json["conversation_id"] == FIRST


def test_a_merge_and_its_undoing_that_are_repeated_change_nothing(app, kevin, second):
    def unchanged(action):
        assert outbox_drained(app)
        rows, logs = all_rows(app), all_logs(app)
        action()
        assert outbox_drained(app)
        return (all_rows(app), all_logs(app)) == (rows, logs)

    assert not unchanged(lambda: merge(kevin, second, FIRST))
    assert unchanged(lambda: merge(kevin, second, FIRST, version=STALE))
    (merged,) = merges(kevin, FIRST)
    assert (merged["conversation_id"], merged["messages"]) == (second, 1)
    assert not unchanged(lambda: separate(kevin, merged))
    assert unchanged(lambda: separate(kevin, merged))
    assert merges(kevin, FIRST) == []


def test_separating_gives_the_messages_back_and_what_was_written_since_stays(
    app, kevin, maria, second
):
    maria.send(second, "Of the second")
    before = texts(kevin, FIRST), texts(kevin, second)
    merge(kevin, second, FIRST)
    maria.send(second, "Since")
    restored = separate(kevin, merges(kevin, FIRST)[0])
    assert restored.json == conversation(kevin, second)
    assert restored.json["last_message"]["preview"] == "Of the second"
    assert (texts(kevin, FIRST), texts(kevin, second)) == ([*before[0], "Since"], before[1])
    assert wrong_times(app) == []
    assert maria.send(second, "Here again").json["conversation_id"] == second
    assert {FIRST, second} <= {*listed(kevin)}


def test_a_merge_can_be_undone_for_thirty_days_and_no_longer(app, kevin, second):
    merge(kevin, second, FIRST)
    (merged,) = merges(kevin, FIRST)

    def merged_ago(**ago):
        with app.app_context():
            at = clock.now() - timedelta(**ago)
            db.session.execute(update(ConversationMerge).values(merged_at=at))
            db.session.commit()

    merged_ago(days=UNDO_DAYS, minutes=1)
    assert "Separate again" not in kevin.page(f"/conversations/{FIRST}").text
    late = separate(kevin, merged)
    assert (late.status_code, late.json["current"]["id"]) == (409, FIRST)
    merged_ago(days=UNDO_DAYS, minutes=-5)
    assert "Separate again" in kevin.page(f"/conversations/{FIRST}").text
    assert separate(kevin, merged).status_code == 200


@pytest.mark.parametrize("first", ["the outer one", "the inner one"])
def test_merges_in_a_row_are_undone_in_any_order(kevin, second, first):
    third = start(kevin, "A third question")
    merge(kevin, third, second)
    (inner,) = merges(kevin, second)
    merge(kevin, second, FIRST)
    both = {row["conversation_id"]: row for row in merges(kevin, FIRST)}
    assert both.keys() == {second, third}
    assert conversation(kevin, third)["id"] == FIRST
    order = (both[second], inner) if first == "the outer one" else (inner, both[second])
    assert separate(kevin, order[0]).status_code == 200
    if first == "the outer one":
        assert conversation(kevin, third)["id"] == second
        assert texts(kevin, third) == ["A second question", "A third question"]
    else:
        assert conversation(kevin, second)["id"] == FIRST
        assert texts(kevin, third) == ["A third question"]
    assert separate(kevin, order[1]).status_code == 200
    assert texts(kevin, third) == ["A third question"]
    assert texts(kevin, second) == ["A second question"]


def test_what_an_agent_had_not_read_stays_unread_and_no_more(ada, kevin, maria, second):
    asked = maria.send(second, "Unread by Kevin").json["id"]
    kevin.post(f"/conversations/{second}/read", {"message_id": asked - 1})
    later = maria.send(FIRST, "Read by Kevin").json["id"]
    kevin.post(f"/conversations/{FIRST}/read", {"message_id": later})
    with follow_unread(kevin) as counts:
        merge(ada, second, FIRST)
        counts.agree()
        assert counts.fetched()["conversations"][str(FIRST)] == 2  # from the first unread one on
    kevin.post(f"/conversations/{FIRST}/read", {"message_id": later})
    with follow_unread(kevin) as counts:
        assert counts.fetched()["conversations"][str(FIRST)] == 0


def test_read_conversations_are_read_after_their_merge(ada, kevin, maria, second):
    for id in (FIRST, second):
        message = maria.send(id, "Hello").json["id"]
        kevin.post(f"/conversations/{id}/read", {"message_id": message})
    merge(ada, second, FIRST)
    with follow_unread(kevin) as counts:
        assert counts.fetched()["conversations"][str(FIRST)] == 0


def test_notifications_lead_to_the_kept_conversation_and_back(ada, kevin, second):
    note = ada.send(second, "@Kevin look", private=True).json["id"]

    def where():
        rows = kevin.get("/accounts/1/notifications").json["notifications"]
        return [row["conversation_id"] for row in rows if row["message_id"] == note]

    merge(ada, second, FIRST)
    assert where() == [FIRST]
    separate(ada, merges(ada, FIRST)[0])
    assert where() == [second]


def test_a_draft_that_is_saved_as_its_conversation_is_merged_is_refused_and_not_left_behind(
    app, ada, kevin, second
):
    """The request found the conversation unmerged, and writes after the merge."""
    merge(ada, second, FIRST)
    with app.app_context():
        writer = db.session.get_one(User, kevin.id)
        for version in (0, 1):
            with pytest.raises(NotFound):
                save_draft(writer, second, reply="Half a reply", note="", version=version)
        drafts = select(func.count()).select_from(Draft).where(Draft.conversation_id == second)
        assert db.session.scalar(drafts) == 0


def test_drafts_of_both_conversations_are_kept_in_the_one_that_stays(ada, kevin, second):
    def draft(client, id):
        return client.get(f"/conversations/{id}/draft").json

    def save(client, id, **new):
        assert client.post(f"/conversations/{id}/draft", {"version": 0, **new}).status_code == 200

    save(kevin, FIRST, reply="Dear", note="")
    save(kevin, second, reply="Hello", note="Ask Ada")
    save(ada, second, reply="Ada's", note="")
    merge(kevin, second, FIRST)
    assert draft(kevin, FIRST) == {"reply": "Dear\n\nHello", "note": "Ask Ada", "version": 2}
    assert draft(ada, FIRST) == {"reply": "Ada's", "note": "", "version": 1}


def test_a_merge_by_the_version_from_before_the_customers_message_is_refused(kevin, maria, second):
    version = conversation(kevin, second)["version"]
    maria.send(second, "Wait!")
    refused = kevin.post(f"/conversations/{second}/merge", {"into": FIRST, "version": version})
    assert (refused.status_code, refused.json["current"]["id"]) == (409, second)
    version = refused.json["current"]["version"]
    merge(kevin, second, FIRST, version=version)


def test_a_message_that_is_sent_while_its_conversation_is_merged_is_in_the_kept_one(
    app, kevin, maria, second
):
    jobs = [
        gevent.spawn(maria.send, second, "At the same time 1"),
        gevent.spawn(merge, kevin, second, FIRST),
        gevent.spawn(maria.send, second, "At the same time 2"),
    ]
    gevent.joinall(jobs, raise_error=True)
    assert [job.value.status_code for job in (jobs[0], jobs[2])] == [201, 201]
    assert {"At the same time 1", "At the same time 2"} <= {*texts(kevin, FIRST)}
    with app.app_context():
        left = select(func.count()).where(Message.conversation_id == second)
        assert db.session.scalar(left) == 0


def test_two_merges_of_each_into_the_other_at_once_leave_one_conversation(app, kevin, second):
    jobs = [
        gevent.spawn(kevin.post, f"/conversations/{a}/merge", {"into": b})
        for a, b in ((FIRST, second), (second, FIRST))
    ]
    gevent.joinall(jobs)
    # The later one may find the other to be itself.
    assert sorted(job.value.status_code for job in jobs)[0] == 200
    assert {job.value.status_code for job in jobs} <= {200, 409, 422}
    with app.app_context():
        merged = select(Conversation.id).where(Conversation.merged_into_id.is_not(None))
        assert len(db.session.scalars(merged).all()) == 1


def test_a_merged_conversation_is_not_opened_when_its_snooze_is_over(app, kevin, second):
    until = clock.now() + timedelta(hours=1)
    snoozed = {"status": "snoozed", "snoozed_until": clock.rfc3339(until)}
    assert kevin.post(f"/conversations/{second}/status", snoozed).status_code == 200
    merge(kevin, second, FIRST)
    with app.app_context():
        assert reopen_snoozed(until + timedelta(seconds=1)) == 0
    separate(kevin, merges(kevin, FIRST)[0])
    with app.app_context():
        assert reopen_snoozed(until + timedelta(seconds=1)) == 1


def test_a_contact_that_is_renamed_or_merged_publishes_nothing_of_a_merged_conversation(
    verify_action, ada, kevin, maria, second
):
    merge(kevin, second, FIRST)
    with verify_action(TOMS, ada, kevin):
        assert kevin.post("/contacts/1", {"name": "Maria L."}).status_code == 200
    with verify_action(TOMS, ada, kevin):
        assert ada.post("/contacts/1/merge", {"into": 2}).status_code == 200
    assert maria.send(second, "Still me").json["conversation_id"] == FIRST
    with verify_action(TOMS, ada, kevin):
        assert ada.post("/contact-merges/1/undo", {}).status_code == 200
    assert maria.send(second, "Me again").json["conversation_id"] == FIRST


@pytest.mark.parametrize("moves", [True, False])
def test_a_new_name_reaches_the_threads_in_which_the_contact_wrote_and_no_longer_is(
    app, ada, kevin, subscribe, moves
):
    ada.post("/contacts/1/merge", {"into": 2})
    if moves:
        merge(kevin, FIRST, TOMS)
    ada.post("/contact-merges/1/undo", {})
    assert outbox_drained(app)  # or their resets would come after the streams have opened
    threads = subscribe(f"conversation:{TOMS}", kevin)
    lists = subscribe("account:1", kevin)
    assert ada.post("/contacts/1", {"name": "Maria L."}).status_code == 200
    kevin.send(TOMS, "The next event, if there was no other")
    assert (threads.next_event().event == "stream.reset") == moves
    expected = ("stream.reset", "conversation.contact_changed", "conversation.updated")
    assert (next_named(lists, *expected).event == "stream.reset") == moves
    senders = {row["sender"]["name"] for row in messages(kevin, TOMS)}
    assert ("Maria L." in senders) == moves


def test_an_agent_of_the_kept_ones_inbox_alone_reaches_it_by_both_addresses(ada, kevin, grace):
    there = start(ada, inbox=2)
    assert [c.get(f"/conversations/{there}").status_code for c in (kevin, grace)] == [404, 200]
    refused = grace.post(f"/conversations/{there}/merge", {"into": FIRST})
    assert (refused.status_code, [*refused.json["errors"]]) == (422, ["into"])
    merge(ada, there, FIRST)
    assert [c.get(f"/conversations/{there}").status_code for c in (kevin, grace)] == [200, 404]
    assert grace.post(f"/conversations/{there}/status", {"status": "open"}).status_code == 404
    assert grace.post("/conversation-merges/1/undo", {}).status_code == 404
    assert separate(kevin, merges(kevin, FIRST)[0]).status_code == 200
    assert [c.get(f"/conversations/{there}").status_code for c in (kevin, grace)] == [404, 200]


# The pages


def test_the_page_lists_the_contacts_other_conversations_to_merge_into_and_forms_do_it(
    app, kevin, second
):
    assert "Merge this conversation into" not in kevin.page(f"/conversations/{TOMS}").text
    page = kevin.page(f"/conversations/{second}").text
    assert f'action="/conversations/{second}/merge"' in page
    assert f'name="into" value="{FIRST}"' in page
    headers = {**kevin.headers, "Accept": "text/html"}
    posted = app.test_client().post(
        f"/conversations/{second}/merge", data={"into": str(FIRST)}, headers=headers
    )
    assert (posted.status_code, posted.location) == (303, f"/conversations/{FIRST}")
    page = kevin.page(f"/conversations/{FIRST}?part=thread").text
    assert "Separate again" in page
    undone = app.test_client().post("/conversation-merges/1/undo", headers=headers)
    assert (undone.status_code, undone.location) == (303, f"/conversations/{second}")
