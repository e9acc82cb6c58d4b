"""A member who loses access: what was assigned to them, and that an account keeps an administrator.

The streams that end: tests/test_access.py and tests/faults/test_revocation.py.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import gevent
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy import update

from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import OutboxEvent
from rtapp.models import User
from rtapp.services import release_conversations
from rtapp.services.assign import assign
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_membership import change_membership
from rtapp.services.remove_member import remove_member

from ..state import verified
from ..support import ApiClient
from ..support import envelope
from ..support import outbox_drained

WEBSITE, EMAIL = 1, 2
KEVINS = {1, 4, 6}  # conversations of WEBSITE that are assigned to Kevin; 6 is resolved
LINE = "Kevin no longer sees this, so it is unassigned"


def membership(agent: ApiClient) -> Membership:
    return db.session.scalars(select(Membership).where(Membership.user_id == agent.id)).one()


def become(app: Flask, agent: ApiClient, role: str, sees: str = "inbox") -> None:
    with app.app_context():
        change_membership(membership(agent), role=role, sees=sees)


def lose_inbox(app: Flask, agent: ApiClient, inbox: int = WEBSITE) -> None:
    with app.app_context():
        remove_from_inbox(db.session.get_one(Inbox, inbox), db.session.get_one(User, agent.id))


def leave(app: Flask, agent: ApiClient) -> None:
    with app.app_context():
        remove_member(membership(agent))


def leave_for(app: Flask, agent: ApiClient, by: ApiClient) -> None:
    with app.app_context():
        remove_member(membership(agent), by=db.session.get_one(User, by.id))


def assigned(app: Flask, agent: ApiClient) -> set[int]:
    with app.app_context():
        own = select(Conversation.id).where(Conversation.assignee_id == agent.id)
        return set(db.session.scalars(own))


def conversation(client: ApiClient, id: int) -> dict[str, Any]:
    row: dict[str, Any] = client.get(f"/conversations/{id}").json["conversation"]
    return row


def activities(client: ApiClient, id: int) -> list[str]:
    rows = client.get(f"/conversations/{id}/messages?limit=100").json["messages"]
    return [row["content"] for row in rows if row["message_type"] == "activity"]


def test_what_a_member_no_longer_sees_is_unassigned_with_a_line_and_every_list_follows(
    app, ada, kevin, grace
):
    assert assigned(app, kevin) == KEVINS, "the precondition does not hold"
    before = {id: len(activities(ada, id)) for id in KEVINS}
    with verified(app, 1, ada, grace) as received:
        lose_inbox(app, kevin)
    assert received[ada].count("conversation.assignee_changed") == len(KEVINS) + 1  # and the thread
    assert received[grace] == []
    assert assigned(app, kevin) == set()
    for id in KEVINS:
        assert activities(ada, id)[before[id] :] == [LINE]
        assert conversation(ada, id)["assignee"] is None
    assert activities(ada, 2) == []


def test_what_a_removed_member_leaves_is_unassigned_and_pages_that_list_colleagues_load_again(
    app, ada, kevin, grace
):
    with (
        closing(ada.stream("/streams/accounts/1")) as hers,
        closing(grace.stream("/streams/accounts/1")) as colleagues,
    ):
        for stream in (hers, colleagues):
            stream.named("stream.open")
        leave(app, kevin)
        events = [event.event for event in hers.until("stream.reset")]
        assert events.count("conversation.assignee_changed") == len(KEVINS)
        colleagues.named("stream.reset")
    for id in KEVINS:
        assert activities(ada, id)[-1] == LINE
        assert conversation(ada, id)["assignee"] is None


def test_a_removed_members_own_list_loses_each_conversation_once(app, ada, kevin):
    with verified(app, 1, kevin) as received:
        lose_inbox(app, kevin)
    assert received[kevin] == ["conversation.removed"] * 6


def test_what_a_member_still_sees_stays_theirs(app, ada, kevin):
    ada.post("/conversations/8/assignee", {"assignee_id": ada.id})
    become(app, kevin, "administrator")
    lose_inbox(app, kevin)
    assert assigned(app, kevin) == KEVINS  # an administrator sees all
    become(app, kevin, "agent", "assigned")
    assert assigned(app, kevin) == KEVINS  # these are what they see
    lose_inbox(app, ada, EMAIL)
    assert 8 in assigned(app, ada)


def test_an_administrator_who_becomes_an_agent_keeps_what_is_in_their_inboxes(app, ada, kevin):
    become(app, kevin, "administrator")
    for id in (7, 8):
        ada.post(f"/conversations/{id}/assignee", {"assignee_id": kevin.id})
    assert {7, 8} <= assigned(app, kevin)
    with verified(app, 7, ada) as received:
        become(app, kevin, "agent")
    assert "conversation.assignee_changed" in received[ada]
    assert assigned(app, kevin) == KEVINS
    assert activities(ada, 8)[-1] == LINE


def test_who_took_the_access_away_is_named_by_the_event_and_the_line(app, ada, kevin, subscribe):
    stream = subscribe("account:1", ada)
    leave_for(app, kevin, by=ada)
    while (event := stream.next_event()).event != "conversation.assignee_changed":
        pass
    assert event.data["changed_by"]["name"] == "Ada"
    assert event.data["previous_assignee"]["id"] == kevin.id
    rows = ada.get("/conversations/1/messages?limit=100").json["messages"]
    assert (rows[-1]["content"], rows[-1]["sender"]["name"]) == (LINE, "Ada")


@pytest.mark.parametrize("automatic", [True, False])
def test_open_conversations_go_to_the_next_member_where_the_inbox_assigns_automatically(
    app, kevin, automatic
):
    with app.app_context():
        db.session.execute(update(Inbox).values(auto_assign=automatic))
        db.session.commit()
    leave(app, kevin)
    with app.app_context():
        waits = Conversation.awaits_assignee_since.is_not(None)
        waiting = set(db.session.scalars(select(Conversation.id).where(waits)))
    assert waiting == ({1} if automatic else set())  # 4 is pending, 6 resolved


@pytest.mark.parametrize("apart", [0, 1])
def test_beyond_a_limit_the_others_are_released_at_once_and_all_clients_fetch_again(
    app, ada, kevin, monkeypatch, apart
):
    monkeypatch.setattr(release_conversations, "APART", apart)
    monkeypatch.setattr(release_conversations, "AT_ONCE", 2)
    with app.app_context():
        db.session.execute(update(Inbox).values(auto_assign=True))
        db.session.commit()
    versions = {id: conversation(ada, id)["version"] for id in KEVINS}
    with (
        closing(ada.stream("/streams/accounts/1")) as listed,
        closing(ada.stream("/streams/conversations/6")) as thread,
    ):
        for stream in (listed, thread):
            stream.named("stream.open")
        leave(app, kevin)
        for stream in (listed, thread):
            stream.until("stream.reset")
    assert assigned(app, kevin) == set()
    for id in KEVINS:
        assert activities(ada, id)[-1] == LINE
        assert conversation(ada, id)["version"] == versions[id] + 1
    found = ada.get("/accounts/1/conversations?status=any&q=unassigned").json["conversations"]
    assert {row["id"] for row in found} == KEVINS  # a search finds the lines
    with app.app_context():
        waits = Conversation.awaits_assignee_since.is_not(None)
        assert list(db.session.scalars(select(Conversation.id).where(waits))) == [1]


def test_undoing_a_merge_brings_back_no_assignee_who_has_left(app, ada, kevin):
    body = {"inbox_id": WEBSITE, "contact": {"name": "Nora", "email": "nora@example.com"},
            "content": "Hello"}  # fmt: skip
    source, target = (kevin.post("/accounts/1/conversations", body).json["id"] for _ in range(2))
    kevin.post(f"/conversations/{source}/assignee", {"assignee_id": kevin.id})
    assert ada.post(f"/conversations/{source}/merge", {"into": target}).status_code == 200
    merge = ada.get(f"/conversations/{target}").json["merges"][0]["id"]
    assert source in assigned(app, kevin)
    leave(app, kevin)
    assert ada.post(f"/conversation-merges/{merge}/undo", {}).status_code == 200
    assert conversation(ada, source)["assignee"] is None


def test_a_removed_member_has_no_access_and_comes_back_without_the_old_inboxes(app, ada, kevin):
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        leave(app, kevin)
        assert envelope(stream.until("stream.closed")[-1])["reason"] == "forbidden"
    assert kevin.get("/accounts/1/conversations").status_code == 404
    assert kevin.get("/conversations/1").status_code == 404
    assert kevin.get("/me").json["memberships"] == []
    home = kevin.page("/")
    assert (home.status_code, "member of no account" in home.text) == (403, True)
    assert all(f'"{way_out}"' in home.text for way_out in ("/logout", "/settings/profile"))
    assert ada.post("/conversations/1/assignee", {"assignee_id": kevin.id}).status_code == 422
    with app.app_context():
        own = InboxMember.user_id == kevin.id
        assert db.session.scalars(select(InboxMember).where(own)).all() == []
    rows = ada.get("/conversations/1/messages?limit=100").json["messages"]
    assert "Kevin" in {row["sender"]["name"] for row in rows}  # what was written stays


def test_a_removal_that_fails_leaves_everything_as_it_was(app, ada, kevin, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(release_conversations, "await_assignee", fail)
    for lose in (leave, lose_inbox):
        with pytest.raises(RuntimeError):
            lose(app, kevin)
        assert assigned(app, kevin) == KEVINS
        assert kevin.get("/conversations/1").status_code == 200
        with app.app_context():
            assert db.session.scalars(select(OutboxEvent)).all() == []


# The last administrator


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    "lose", [leave, lambda app, agent: become(app, agent, "agent")], ids=["removed", "demoted"]
)
def test_the_last_administrator_is_neither_removed_nor_demoted(app, ada, kevin, other, lose, last):
    if not last:
        become(app, kevin, "administrator")
    if last:
        with pytest.raises(Unprocessable, match="last administrator"):
            lose(app, ada)
    else:
        lose(app, ada)
    with app.app_context():
        row = db.session.scalar(select(Membership).where(Membership.user_id == ada.id))
        role = row.role if row is not None else None
    assert (role == "administrator") == last
    assert outbox_drained(app)


def ways(app: Flask, agent: ApiClient) -> list[Callable[[], None]]:
    return [lambda: become(app, agent, "agent"), lambda: leave(app, agent)]


@pytest.mark.parametrize("first", [0, 1], ids=["demoted", "removed"])
@pytest.mark.parametrize("second", [0, 1], ids=["demoted", "removed"])
def test_of_two_administrators_who_lose_that_at_once_one_stays(app, ada, kevin, first, second):
    become(app, kevin, "administrator")
    both = [ways(app, ada)[first], ways(app, kevin)[second]]
    jobs = [gevent.spawn(outcome, way) for way in both]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value for job in jobs) == ["done", "refused"]
    with app.app_context():
        administrators = Membership.role == "administrator"
        assert len(db.session.scalars(select(Membership).where(administrators)).all()) == 1


def outcome(way: Callable[[], None]) -> str:
    try:
        way()
    except Unprocessable:
        return "refused"
    return "done"


def test_nobody_is_added_to_an_inbox_of_an_account_that_they_are_no_member_of(app, kevin, other):
    leave(app, kevin)
    for user_id in (kevin.id, other.user):
        with app.app_context():
            user = db.session.get_one(User, user_id)
            with pytest.raises(Unprocessable, match="no member"):
                add_to_inbox(db.session.get_one(Inbox, WEBSITE), user)
    run = app.test_cli_runner().invoke
    assert run(args=["inbox", "add", "1", "kevin@example.com"]).exit_code == 1
    assert run(args=["inbox", "add", "1", "grace@example.com"]).exit_code == 0


def test_two_removals_of_one_member_at_once_are_one(app, ada, kevin):
    with app.app_context():
        id = membership(kevin).id
    jobs = [gevent.spawn(remove_row, app, id) for _ in range(2)]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value for job in jobs) == ["done", "gone"]
    assert activities(ada, 1).count(LINE) == 1


def remove_row(app: Flask, id: int) -> str:
    with app.app_context():
        row = db.session.get(Membership, id)
        if row is None:
            return "gone"
        try:
            remove_member(row)
        except NotFound:
            return "gone"
    return "done"


@pytest.mark.parametrize("lose", [lose_inbox, leave], ids=["inbox", "account"])
def test_an_assignment_at_the_same_time_leaves_nothing_with_a_member_who_does_not_see_it(
    app, ada, kevin, lose
):
    ids = (2, 3, 5)

    def give(id: int) -> None:
        with app.app_context():
            conversation = db.session.get_one(Conversation, id)
            try:
                assign(db.session.get_one(User, ada.id), conversation, kevin.id)
            except Unprocessable:
                db.session.rollback()

    jobs = [gevent.spawn(give, id) for id in ids]
    jobs.insert(1, gevent.spawn(lose, app, kevin))
    gevent.joinall(jobs, raise_error=True)
    assert assigned(app, kevin) == set()
