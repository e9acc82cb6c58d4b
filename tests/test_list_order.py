"""What moves a conversation in the lists, and since when its customer waits, on both databases."""

from datetime import timedelta

import pytest
from flask_migrate import downgrade
from flask_migrate import upgrade
from sqlalchemy import update

from rtapp import clock
from rtapp.clock import rfc3339
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.services.reopen_snoozed import reopen_snoozed

from .state import verified
from .support import ApiClient
from .support import CustomerClient

LIST = "/accounts/1/conversations"
STATUS = "/conversations/1/status"


def conversation(client, id=1):
    return client.get(f"/conversations/{id}").json["conversation"]


def thread(client, id=1):
    return client.get(f"/conversations/{id}/messages?limit=100").json["messages"]


def listed(client, query=""):
    answer = client.get(LIST + query)
    assert answer.status_code == 200, answer.json
    return [row["id"] for row in answer.json["conversations"]]


def place(client, id=1):
    """What decides the conversation's place in the lists."""
    row = conversation(client, id)
    return row["last_public_at"], row["waiting_since"]


# ---- the time and place of a row


def test_a_list_is_ordered_by_the_last_public_message_and_its_time_is_that_messages(ada):
    rows = ada.get(LIST).json["conversations"]
    times = [row["last_public_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    for row in rows:
        public = [m for m in thread(ada, row["id"])
                  if not m["private"] and m["message_type"] != "activity"]  # fmt: skip
        assert row["last_public_at"] == public[-1]["created_at"]


def snoozes(ada, kevin, maria):
    return ada.post(STATUS, {"status": "snoozed"})


def snooze_ends(ada, kevin, maria):
    until = clock.now() + timedelta(hours=1)
    answer = ada.post(STATUS, {"status": "snoozed", "snoozed_until": rfc3339(until)})
    with ada.app.app_context():
        assert reopen_snoozed(until + timedelta(seconds=1)) == 1
    return answer


def edits_the_last_message(ada, kevin, maria):
    return kevin.post("/messages/3", {"content": "Changed"})


def deletes_the_last_message(ada, kevin, maria):
    return ada.post("/messages/4/delete")


QUIET = {
    "a snooze": snoozes,
    "the end of a snooze": snooze_ends,
    "an edit": edits_the_last_message,
    "the deletion of the last message": deletes_the_last_message,
    "a private note": lambda ada, kevin, maria: ada.send(1, "Hm", private=True),
    "an assignment": lambda ada, kevin, maria: ada.post("/conversations/1/assignee",
                                                       {"assignee_id": None}),
    "another status": lambda ada, kevin, maria: ada.post(STATUS, {"status": "pending"}),
    "reading": lambda ada, kevin, maria: maria.post("/conversations/1/read", {"message_id": 3}),
}  # fmt: skip


@pytest.mark.parametrize("change", QUIET.values(), ids=QUIET)
def test_what_is_no_public_message_neither_moves_a_row_nor_ends_its_wait(
    app, ada, kevin, maria, change
):
    before, order = place(ada), listed(ada)
    assert before[1] is not None
    ada.send(2, "A newer conversation, so that moving would show")
    order = [2, *(id for id in order if id != 2)]
    with verified(app, 1, ada, kevin):
        assert change(ada, kevin, maria).status_code in (200, 201, 204)
    assert place(ada) == before
    assert listed(ada) == order


@pytest.mark.parametrize("sender", ["ada", "maria"])
def test_a_public_message_moves_its_row_to_the_top(app, request, ada, sender):
    ada.send(2, "A newer conversation")
    assert listed(ada)[0] == 2
    with verified(app, 1, ada):
        sent = request.getfixturevalue(sender).send(1, "Hello").json
    assert listed(ada)[0] == 1
    assert conversation(ada)["last_public_at"] == sent["created_at"]


def test_the_last_activity_still_follows_every_change(ada):
    before = conversation(ada)["last_activity_at"]
    ada.post(STATUS, {"status": "pending"})
    assert conversation(ada)["last_activity_at"] > before


# ---- waiting


def test_a_customer_waits_from_the_first_message_after_the_last_reply(app, ada, maria):
    ada.send(1, "What can I do for you?")
    assert conversation(ada)["waiting_since"] is None
    with verified(app, 1, ada):
        first = maria.send(1, "Where is it?").json
        maria.send(1, "Hello?")
    assert conversation(ada)["waiting_since"] == first["created_at"]
    ada.send(1, "She is angry", private=True)
    assert conversation(ada)["waiting_since"] == first["created_at"]
    with verified(app, 1, ada):
        ada.send(1, "On its way.")
    assert conversation(ada)["waiting_since"] is None


def test_a_resolved_conversation_does_not_wait_and_one_that_the_customer_opens_waits_anew(
    app, ada, maria
):
    assert conversation(ada)["waiting_since"] is not None
    with verified(app, 1, ada):
        resolved = ada.post(STATUS, {"status": "resolved"}).json
    assert resolved["waiting_since"] is None
    with verified(app, 1, ada):
        again = maria.send(1, "It is broken again").json
    assert conversation(ada)["status"] == "open"
    assert conversation(ada)["waiting_since"] == again["created_at"]


def test_an_agent_who_opens_a_resolved_conversation_restores_the_wait_that_resolving_ended(
    app, ada, kevin
):
    since = conversation(ada)["waiting_since"]
    assert since is not None
    ada.post(STATUS, {"status": "resolved"})  # by mistake
    with verified(app, 1, ada):
        assert kevin.post(STATUS, {"status": "open"}).json["waiting_since"] == since


def test_opening_a_resolved_conversation_that_was_answered_begins_no_wait(ada):
    ada.send(1, "It has been sent.")
    ada.post(STATUS, {"status": "resolved"})
    assert ada.post(STATUS, {"status": "open"}).json["waiting_since"] is None


def test_a_conversation_that_an_agent_starts_waits_for_nobody(ada):
    contact = {"name": "New", "email": "new@example.com"}
    body = {"inbox_id": 1, "contact": contact, "content": "Hello"}
    started = ada.post(LIST, body).json
    assert started["waiting_since"] is None
    assert started["last_public_at"] == started["last_message"]["created_at"]
    assert listed(ada)[0] == started["id"]


def test_a_customer_does_not_see_since_when_the_team_lets_them_wait(ada, maria):
    assert conversation(ada)["waiting_since"] is not None
    assert conversation(maria)["waiting_since"] is None


# ---- the order that is asked for


def everything(client, query, limit=5):
    """The ids of all pages."""
    found, before = [], ""
    while before is not None:
        page = client.get(f"{LIST}?{query}&limit={limit}{before and f'&before={before}'}")
        assert page.status_code == 200, page.json
        found += [row["id"] for row in page.json["conversations"]]
        before = page.json["next_before"]
    return found


def test_the_oldest_first_is_the_newest_first_reversed_on_every_page(ada):
    newest = everything(ada, "sort=newest")
    assert newest == listed(ada)
    assert len(newest) == 12
    assert everything(ada, "sort=oldest") == newest[::-1]


def test_the_longest_waiting_come_first_and_who_does_not_wait_is_not_listed(app, ada):
    CustomerClient(app, "tom.okafor@example.com").send(2, "Is anybody there?")
    rows = ada.get(LIST).json["conversations"]
    waiting = [row for row in rows if row["waiting_since"] is not None]
    assert 3 < len(waiting) < len(rows)
    expected = [row["id"] for row in sorted(waiting, key=lambda row: row["waiting_since"])]
    assert everything(ada, "sort=waiting", limit=2) == expected
    assert waiting[0]["id"] == 2  # the newest message, of a customer who has waited for longer
    assert expected[-1] != 2
    ada.send(expected[0], "Answered")
    assert everything(ada, "sort=waiting") == expected[1:]


@pytest.mark.parametrize("sort", ["newest", "oldest", "waiting"])
def test_a_page_begins_at_a_time_with_what_has_it(ada, sort):
    whole = listed(ada, f"?sort={sort}")
    for id in (whole[1], whole[-1]):
        start = place(ada, id)[sort == "waiting"]
        assert listed(ada, f"?sort={sort}&start={start}") == whole[whole.index(id) :]


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_a_page_that_begins_at_a_time_has_what_stands_in_the_same_millisecond(app, ada, sort):
    moment = clock.now().replace(microsecond=123_000)
    with app.app_context():
        for id, microseconds in ((1, 0), (2, 400), (3, 999)):
            at = moment + timedelta(microseconds=microseconds)
            row = update(Conversation).where(Conversation.id == id)
            db.session.execute(row.values(last_public_at=at))
        db.session.commit()
    found = listed(ada, f"?sort={sort}&start={clock.rfc3339(moment)}")
    assert {1, 2, 3} <= set(found)


def test_a_list_without_anything_at_or_after_a_time_is_empty_and_what_is_no_time_is_refused(ada):
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"
    assert listed(ada, f"?start={first}") == listed(ada, f"?sort=oldest&start={last}") == []
    assert listed(ada, f"?start={last}") == listed(ada)
    assert listed(ada, f"?sort=oldest&start={first}") == listed(ada, "?sort=oldest")
    for wrong in ("", "0", "x", "2026-01-01"):
        assert ada.get(f"{LIST}?start={wrong}").status_code == 400


@pytest.mark.parametrize("sort", ["newest", "oldest", "waiting"])
def test_conversations_with_equal_times_are_paged_in_every_order(app, ada, sort):
    now = clock.now()
    with app.app_context():
        db.session.execute(update(Conversation).values(last_public_at=now, waiting_since=now))
        db.session.commit()
    expected = list(range(1, 13))
    assert everything(ada, f"sort={sort}") == (expected[::-1] if sort == "newest" else expected)


@pytest.mark.parametrize("sort", ["newest", "oldest", "waiting"])
def test_the_next_page_of_one_order_is_refused_in_another(ada, sort):
    before = ada.get(f"{LIST}?sort={sort}&limit=1").json["next_before"]
    for other in ("newest", "oldest", "waiting"):
        answer = ada.get(f"{LIST}?sort={other}&before={before}")
        assert answer.status_code == (200 if other == sort else 400), other
        if other != sort:
            assert "with the same sort" in answer.json["detail"]


@pytest.mark.parametrize("query", ["sort=", "sort=latest", "sort=waiting&before=waiting-1"])
def test_an_unknown_order_or_a_part_of_a_page_end_is_400(ada, query):
    assert ada.get(f"{LIST}?{query}").status_code == 400


def test_an_agent_of_several_inboxes_has_one_queue_of_waiting_customers(app, ada, kevin, grace):
    waiting = set(everything(kevin, "sort=waiting")) | set(everything(grace, "sort=waiting"))
    assert [id for id in everything(ada, "sort=waiting") if id in waiting] == everything(
        ada, "sort=waiting"
    )


def test_a_search_is_paged_in_the_order_that_was_asked_for(ada):
    found = [id for id in everything(ada, "q=e&sort=newest") if id]
    assert everything(ada, "q=e&sort=oldest", limit=2) == found[::-1]


# ---- the page


def page(client, path=LIST):
    answer = client.page(path)
    assert answer.status_code == 200
    return answer.text


def rows_of(html):
    return [int(part.split('"')[0]) for part in html.split('<li id="conversation-')[1:]]


def test_the_page_shows_open_conversations_unless_asked_for_others(ada):
    rows = ada.get(LIST).json["conversations"]
    opened = [row["id"] for row in rows if row["status"] == "open"]
    assert 0 < len(opened) < len(rows)
    assert rows_of(page(ada)) == rows_of(page(ada, "/conversations/1")) == opened
    assert rows_of(page(ada, f"{LIST}?status=any")) == [row["id"] for row in rows]
    assert listed(ada, "?status=any") == listed(ada)  # JSON without a status is all, as before


def test_links_of_the_default_view_do_not_name_it_and_those_of_others_do(ada):
    html = page(ada)
    assert 'href="/conversations/2"' in html
    assert f'href="{LIST}?status=any"' in html
    assert f'href="{LIST}?assignee=me"' in html
    every = page(ada, f"{LIST}?status=any&sort=waiting")
    assert 'href="/conversations/2?status=any&amp;sort=waiting"' in every
    assert f'href="{LIST}?sort=waiting"' in every  # to the open ones


def test_a_row_shows_the_time_of_its_last_public_message_and_since_when_its_customer_waits(ada):
    row, html = conversation(ada, 2), page(ada)
    assert f'data-at="{row["last_public_at"]}" data-waiting="{row["waiting_since"]}"' in html
    waiting = f'<span class="hidden">Waiting since</span> <time datetime="{row["waiting_since"]}"'
    assert waiting in html
    ada.send(2, "Answered")
    html = page(ada)
    assert waiting not in html
    assert 'data-waiting=""' in html


def test_the_order_is_chosen_in_a_form_that_keeps_the_view(ada):
    html = page(ada, f"{LIST}?status=pending&assignee=me&sort=oldest")
    assert '<option value="oldest" selected>' in html
    assert '<input type="hidden" name="status" value="pending">' in html
    assert '<input type="hidden" name="assignee" value="me">' in html
    assert 'data-view-sort="oldest"' in html


def test_a_search_is_in_every_status_until_one_is_chosen_and_its_end_leads_back_to_the_open(ada):
    hidden = '<input type="hidden" name="status"'
    html = page(ada, f"{LIST}?q=iceland")
    assert rows_of(html) == [4]
    assert hidden not in html  # without the words, the form leads to the open ones
    chosen = page(ada, f"{LIST}?q=iceland&status=open")
    assert rows_of(chosen) == []
    assert f'{hidden} value="open">' in chosen
    assert f'{hidden} value="any">' in page(ada, f"{LIST}?status=any")


PROMISE = "appear"


@pytest.mark.parametrize(
    ("query", "words", "promises"),
    [
        ("", "No open conversations here. New ones appear by themselves.", True),
        ("?assignee=none", "No open conversations here. New ones appear by themselves.", True),
        ("?assignee=me", "No open conversations are yours. What is assigned to you appears", True),
        ("?status=resolved", "No resolved conversations here.", False),
        ("?status=snoozed", "No snoozed conversations here.", False),
        ("?assignee=2", "No open conversations here.", False),
        ("?sort=waiting", "Nobody waits for an answer in these open conversations.", False),
        ("?q=xyzzy", "Nothing found for “xyzzy”.", False),
        ("?q=xyzzy&status=open", "Nothing found for “xyzzy” in these open conversations.", False),
    ],
)
def test_an_empty_list_promises_only_what_can_come_into_its_view(app, ada, query, words, promises):
    with app.app_context():
        db.session.execute(update(Conversation).values(status="pending", waiting_since=None))
        db.session.commit()
    html = page(ada, LIST + query)
    (empty,) = [part.partition("</p>")[0] for part in html.split('<p class="empty">')
                if part.startswith(words)]  # fmt: skip
    assert (PROMISE in empty) == promises
    assert ("Search all conversations" in empty) == ("q=" in query and "open" in query)


def test_an_agent_without_an_inbox_is_promised_no_conversation(app, kevin):
    with app.app_context():
        db.session.execute(db.text("DELETE FROM inbox_members WHERE user_id = 2"))
        db.session.commit()
    assert "You are in no inbox yet. An administrator can add you to one." in page(kevin)


def test_an_agent_who_sees_only_assigned_conversations_is_promised_those(app, kevin):
    with app.app_context():
        db.session.execute(update(Membership).values(sees="assigned"))
        db.session.execute(update(Conversation).values(assignee_id=None))
        db.session.commit()
    html = page(kevin)
    assert rows_of(html) == []
    assert "No open conversations are yours. What is assigned to you appears by itself." in html


# ---- rows from before


def test_the_migration_takes_both_times_from_the_messages_on_both_databases(app, ada, kevin):
    CustomerClient(app, "tom.okafor@example.com").send(2, "Hello again?")
    ada.send(2, "A note", private=True)
    ada.send(3, "Answered")
    kevin.send(1, "A note after the customer's words", private=True)
    with app.app_context():
        db.session.add(Conversation(account_id=1, inbox_id=1, contact_id=1))
        db.session.commit()
    before = {id: place(ada, id) for id in listed(ada)}
    assert len({since for _, since in before.values()}) > 4
    empty = max(before)
    with app.app_context():
        created = rfc3339(db.session.get_one(Conversation, empty).created_at)
        db.session.remove()
        downgrade(revision="0007")
        upgrade()
        db.session.remove()
    ada = ApiClient(app, "ada@example.com")  # the older version has no tokens
    after = {id: place(ada, id) for id in listed(ada)}
    del before[empty], after[empty]
    assert list(after.items()) == list(before.items())
    assert conversation(ada, empty)["last_public_at"] == created
    assert thread(ada, empty) == []
    with app.app_context():
        assert db.session.get_one(Message, 1)
