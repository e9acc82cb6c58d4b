"""Automatic assignment: who is assigned, in which order, and once, however many at a time."""

from collections import Counter
from datetime import timedelta
from typing import Any

import gevent
import pytest
from flask import Flask
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import User
from rtapp.realtime.broker import RequestBroker
from rtapp.services.assign_waiting import INBOXES
from rtapp.services.assign_waiting import assign_waiting
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.reopen_snoozed import reopen_snoozed

from .state import verified
from .support import ApiClient
from .support import CustomerClient
from .support import eventually
from .support import outbox_drained

WEBSITE = 1  # of Ada and Kevin
TOMS = 2  # a conversation there, open and unassigned
AT_ONCE = 12  # conversations that become open at the same time


def set_inbox(app: Flask, **settings: Any) -> None:
    with app.app_context():
        db.session.execute(update(Inbox).where(Inbox.id == WEBSITE).values(settings))
        db.session.commit()


@pytest.fixture
def automatic(app: Flask) -> None:
    set_inbox(app, auto_assign=True)


@pytest.fixture
def tom(app: Flask) -> CustomerClient:
    """The customer of TOMS."""
    return CustomerClient(app, "tom.okafor@example.com")


def add_agents(
    app: Flask, *names: str, sees: str = "inbox", inbox: int = WEBSITE
) -> list[ApiClient]:
    with app.app_context():
        for name in names:
            user = User(name=name, email=f"{name.lower()}@example.com", password_hash="none")
            db.session.add(user)
            db.session.flush()
            db.session.add(Membership(account_id=1, user_id=user.id, sees=sees))
            db.session.add(InboxMember(inbox_id=inbox, user_id=user.id))
        db.session.commit()
    return [ApiClient(app, f"{name.lower()}@example.com") for name in names]


def resolved(app: Flask, count: int = 1, **values: Any) -> list[int]:
    """Make resolved, unassigned conversations. Returns their ids."""
    with app.app_context():
        made = []
        for _ in range(count):
            n = db.session.scalar(select(func.count()).select_from(Contact))
            contact = Contact(account_id=1, name=f"C{n}", email=f"c{n}@example.com")
            made.append(
                Conversation(
                    **{"account_id": 1, "inbox_id": WEBSITE, "status": "resolved", **values},
                    contact=contact,
                )
            )
            db.session.add(made[-1])
            db.session.flush()
        db.session.commit()
        return [each.id for each in made]


def customer_of(app: Flask, id: int) -> CustomerClient:
    with app.app_context():
        return CustomerClient(app, db.session.get_one(Conversation, id).contact.email)


def writes(app: Flask, id: int) -> None:
    """The customer writes, which opens a resolved conversation."""
    assert customer_of(app, id).send(id, "It is broken again").status_code == 201


def assignee_of(app: Flask, id: int) -> int | None:
    with app.app_context():
        return db.session.scalar(select(Conversation.assignee_id).where(Conversation.id == id))


def activities(app: Flask, id: int) -> list[str]:
    with app.app_context():
        lines = select(Message.content).where(
            Message.conversation_id == id, Message.message_type == "activity"
        )
        return [
            line.translate(dict.fromkeys((0x2068, 0x2069)))
            for line in db.session.scalars(lines.order_by(Message.id))
        ]


def assigned_in_turn(app: Flask, count: int) -> list[int | None]:
    """Open conversations one after another. Returns their assignees."""
    ids = resolved(app, count)
    for id in ids:
        writes(app, id)
    return [assignee_of(app, id) for id in ids]


def present(subscribe: Any, *clients: ApiClient) -> None:
    for client in clients:
        assert subscribe("presence:1", client).confirmed


# When


def opened_by_the_customer(app: Flask, ada: ApiClient) -> int:
    (id,) = resolved(app)
    writes(app, id)
    return id


def opened_by_an_agent(app: Flask, ada: ApiClient) -> int:
    (id,) = resolved(app, status="pending")
    assert ada.post(f"/conversations/{id}/status", {"status": "open"}).status_code == 200
    return id


def opened_as_its_snooze_is_over(app: Flask, ada: ApiClient) -> int:
    (id,) = resolved(app, status="snoozed", snoozed_until=clock.now())
    with app.app_context():
        assert reopen_snoozed(clock.now() + timedelta(seconds=1)) == 1
    return id


OPENED = (opened_by_the_customer, opened_by_an_agent, opened_as_its_snooze_is_over)


@pytest.mark.parametrize("opened", OPENED)
def test_a_conversation_that_becomes_open_is_assigned_at_once_and_announced_once(
    app, automatic, subscribe, ada, kevin, opened
):
    present(subscribe, kevin)
    with verified(app, TOMS, ada, kevin) as received:
        id = opened(app, ada)
        assert assignee_of(app, id) == kevin.id
    assert received[ada].count("conversation.assignee_changed") == 1  # the list's
    assert received[ada].count("conversation.updated") == 1
    assert received[kevin].count("notification.created") == 1
    assert activities(app, id)[-1] == "Assigned to Kevin automatically"
    assert len(activities(app, id)) == 2
    with app.app_context():
        notification = db.session.scalars(select(Notification)).one()
        assert (notification.user_id, notification.kind) == (kevin.id, "assignment")
        assert notification.conversation_id == id


@pytest.mark.parametrize("opened", OPENED)
def test_without_automatic_assignment_which_is_the_default_nothing_is_assigned(
    app, subscribe, ada, kevin, opened
):
    present(subscribe, ada, kevin)
    assert assignee_of(app, opened(app, ada)) is None
    with app.app_context():
        assert assign_waiting() == 0


def test_the_events_of_a_thread_that_is_assigned_automatically_lead_to_its_fresh_state(
    app, automatic, subscribe, ada, kevin, grace, tom
):
    present(subscribe, kevin)
    ada.post(f"/conversations/{TOMS}/status", {"status": "resolved"})
    with verified(app, TOMS, ada, kevin, grace) as received:
        tom.send(TOMS, "One more thing")
    assert received[ada].count("conversation.assignee_changed") == 2  # thread and list
    assert received[grace] == []
    assert assignee_of(app, TOMS) == kevin.id


def test_an_agent_who_sees_assigned_conversations_only_gains_access_by_their_turn(
    app, automatic, subscribe, tom, ada
):
    (nora,) = add_agents(app, "Nora", sees="assigned")
    present(subscribe, nora)
    ada.post(f"/conversations/{TOMS}/status", {"status": "resolved"})
    assert nora.get(f"/conversations/{TOMS}").status_code == 404
    with verified(app, TOMS, nora) as received:
        tom.send(TOMS, "One more thing")
    assert "conversation.updated" in received[nora]
    assert nora.get(f"/conversations/{TOMS}").status_code == 200


@pytest.mark.parametrize(
    ("before", "after"), [("resolved", "pending"), ("open", "snoozed"), ("open", "resolved")]
)
def test_a_conversation_that_does_not_become_open_is_not_assigned(
    app, automatic, subscribe, ada, kevin, before, after
):
    present(subscribe, kevin)
    (id,) = resolved(app, status=before)
    ada.post(f"/conversations/{id}/status", {"status": after})
    assert assignee_of(app, id) is None


def test_an_assignee_is_not_replaced_even_if_away_or_over_the_cap(
    app, automatic, subscribe, ada, kevin
):
    set_inbox(app, assignment_cap=1)
    present(subscribe, kevin)
    (id,) = resolved(app, assignee_id=ada.id)
    writes(app, id)
    assert assignee_of(app, id) == ada.id


@pytest.mark.parametrize(("on", "assignee"), [(True, "kevin"), (False, None)])
def test_an_agent_has_the_conversation_that_they_start_where_assignment_is_automatic(
    app, subscribe, ada, kevin, on, assignee
):
    set_inbox(app, auto_assign=on)
    present(subscribe, ada)
    new = {"inbox_id": 1, "contact": {"name": "New", "email": "new@example.com"}, "content": "Hi"}
    started = kevin.post("/accounts/1/conversations", new).json
    assert started["assignee"] == ({"id": kevin.id, "name": "Kevin"} if assignee else None)
    customer = CustomerClient(app, "new@example.com")
    customer.send(started["id"], "Hello")
    assert assignee_of(app, started["id"]) == (kevin.id if assignee else None)


# Who


def test_members_who_are_online_take_turns_and_one_without_a_turn_comes_first(
    app, automatic, subscribe, ada, kevin
):
    present(subscribe, ada, kevin)
    assert assigned_in_turn(app, 4) == [ada.id, kevin.id, ada.id, kevin.id]
    (nora,) = add_agents(app, "Nora")
    present(subscribe, nora)
    assert assigned_in_turn(app, 4) == [nora.id, ada.id, kevin.id, nora.id]


def test_a_member_who_was_away_has_the_next_turn_and_no_more_than_one(
    app, automatic, subscribe, ada, kevin
):
    present(subscribe, kevin)
    assert assigned_in_turn(app, 3) == [kevin.id] * 3
    present(subscribe, ada)
    assert assigned_in_turn(app, 3) == [ada.id, kevin.id, ada.id]


def test_an_assignment_by_hand_takes_no_turn(app, automatic, subscribe, ada, kevin):
    present(subscribe, ada, kevin)
    ada.post(f"/conversations/{TOMS}/assignee", {"assignee_id": ada.id})
    assert assigned_in_turn(app, 2) == [ada.id, kevin.id]


@pytest.mark.parametrize("status", ["busy", "offline"])
def test_a_member_who_is_present_but_not_online_is_passed_over(
    app, automatic, subscribe, ada, kevin, status
):
    present(subscribe, ada, kevin)
    assert ada.post("/accounts/1/presence", {"status": status}).status_code == 200
    assert assigned_in_turn(app, 2) == [kevin.id, kevin.id]
    ada.post("/accounts/1/presence", {"status": "online"})
    assert assigned_in_turn(app, 1) == [ada.id]


def test_who_is_online_but_no_member_of_the_inbox_is_passed_over(
    app, automatic, subscribe, kevin, grace
):
    present(subscribe, grace)
    (olga,) = add_agents(app, "Olga", inbox=2)
    with app.app_context():  # an administrator sees the inbox without being its member
        own = update(Membership).where(Membership.user_id == olga.id)
        db.session.execute(own.values(role="administrator"))
        db.session.commit()
    present(subscribe, olga)
    assert assigned_in_turn(app, 1) == [None]
    present(subscribe, kevin)
    assert assigned_in_turn(app, 1) == [kevin.id]


def test_a_former_member_of_the_account_who_is_still_an_inboxs_member_is_passed_over(
    app, automatic, subscribe, ada, kevin
):
    present(subscribe, ada, kevin)
    with app.app_context():
        db.session.delete(db.session.scalars(select(Membership).filter_by(user_id=ada.id)).one())
        db.session.commit()
    assert assigned_in_turn(app, 2) == [kevin.id, kevin.id]


def test_a_member_at_the_cap_is_passed_over_until_a_conversation_of_theirs_is_closed(
    app, automatic, subscribe, ada, kevin
):
    with app.app_context():  # the demo's: Kevin has one open conversation there, Ada one
        held = select(func.count()).where(
            Conversation.assignee_id == kevin.id,
            Conversation.status == "open",
            Conversation.inbox_id == WEBSITE,
        )
        assert db.session.scalar(held) == 1
    resolved(app, 5, status="open", inbox_id=2, assignee_id=kevin.id)  # of another inbox
    set_inbox(app, assignment_cap=2)
    present(subscribe, kevin)
    taken, waiting = resolved(app, 2)
    writes(app, taken)
    writes(app, waiting)
    assert [assignee_of(app, taken), assignee_of(app, waiting)] == [kevin.id, None]
    with app.app_context():
        assert assign_waiting() == 0
    kevin.post(f"/conversations/{taken}/status", {"status": "resolved"})
    with verified(app, waiting, ada, kevin) as received, app.app_context():
        assert assign_waiting() == 1
        assert assign_waiting() == 0
    assert assignee_of(app, waiting) == kevin.id
    assert received[kevin].count("notification.created") == 1
    assert received[ada].count("conversation.updated") == 1
    assert activities(app, waiting)[-1] == "Assigned to Kevin automatically"


# Later


def test_a_conversation_that_found_nobody_is_assigned_when_a_member_comes_online(
    app, automatic, subscribe, ada, kevin
):
    first, second = resolved(app, 2)
    writes(app, second)
    writes(app, first)
    app.extensions["assigner"].start()
    try:
        present(subscribe, kevin)
        for id in (first, second):
            eventually(lambda id=id: assignee_of(app, id) == kevin.id, "Kevin is assigned")
    finally:
        app.extensions["assigner"].stop()
    with app.app_context():  # the one that waited longest came first
        notified = select(Notification.conversation_id).order_by(Notification.id)
        assert db.session.scalars(notified).all() == [second, first]


@pytest.mark.parametrize(
    "change",
    [
        ("assignee", {"assignee_id": 1}),
        ("status", {"status": "resolved"}),
        ("status", {"status": "snoozed"}),
    ],
    ids=str,
)
def test_a_conversation_that_waits_no_longer_is_left_as_it_is(
    app, automatic, subscribe, ada, kevin, change
):
    noun, body = change
    (id,) = resolved(app)
    writes(app, id)
    ada.post(f"/conversations/{id}/{noun}", body)
    if noun == "assignee":  # assigned to nobody, by hand
        ada.post(f"/conversations/{id}/assignee", {"assignee_id": None})
    present(subscribe, kevin)
    with app.app_context():
        assert assign_waiting() == 0
    assert assignee_of(app, id) is None


def test_a_waiting_conversation_is_left_alone_while_automatic_assignment_is_off(
    app, automatic, subscribe, kevin
):
    (id,) = resolved(app)
    writes(app, id)
    set_inbox(app, auto_assign=False)
    present(subscribe, kevin)
    with app.app_context():
        assert assign_waiting() == 0
    set_inbox(app, auto_assign=True)
    with app.app_context():
        assert assign_waiting() == 1
    assert assignee_of(app, id) == kevin.id


def test_while_redis_is_away_conversations_open_unassigned_and_are_assigned_later(
    app, automatic, subscribe, kevin, monkeypatch
):
    present(subscribe, kevin)
    (id,) = resolved(app)
    customer = customer_of(app, id)
    with monkeypatch.context() as patch:
        away = RequestBroker("redis://127.0.0.1:1", app.extensions["broker"].high_water_marks)
        patch.setitem(app.extensions["broker"].__dict__, "for_requests", away)
        assert customer.send(id, "It is broken again").status_code == 201
        with app.app_context():
            assert assign_waiting() == 0
    assert assignee_of(app, id) is None
    with app.app_context():
        assert assign_waiting() == 1
    assert assignee_of(app, id) == kevin.id


def test_a_customers_next_message_finds_a_member_too(app, automatic, subscribe, kevin):
    (id,) = resolved(app)
    writes(app, id)
    assert assignee_of(app, id) is None
    present(subscribe, kevin)
    writes(app, id)
    assert assignee_of(app, id) == kevin.id


def test_the_poll_reads_no_conversation_but_those_that_wait(app):
    with app.app_context():
        sqlite = db.engine.dialect.name == "sqlite"
        connection = db.session.connection()
        if not sqlite:  # the demo has too few rows for an index
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        statement = INBOXES.compile(db.engine, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
        plan = connection.exec_driver_sql(f"{explain} {statement}").all()
        text = "\n".join(str(line[-1]) for line in plan)
        assert "ix_conversations_awaits_assignee_since" in text


# At once


def openings(app: Flask, ids: list[int]) -> list[Any]:
    customers = [customer_of(app, id) for id in ids]
    jobs = [
        gevent.spawn(customer.send, id, "Again")
        for customer, id in zip(customers, ids, strict=True)
    ]
    gevent.joinall(jobs, raise_error=True)
    return [job.value.status_code for job in jobs]


def test_many_conversations_opened_at_once_are_spread_evenly_and_assigned_once_each(
    app, automatic, subscribe, ada, kevin
):
    members = [ada, kevin, *add_agents(app, "Nora", "Olga", "Per")]
    present(subscribe, *members)
    ids = resolved(app, AT_ONCE)
    with verified(app, ids[0], ada) as received:
        assert openings(app, ids) == [201] * AT_ONCE
    spread = Counter(assignee_of(app, id) for id in ids)
    assert set(spread) == {member.id for member in members}
    assert max(spread.values()) - min(spread.values()) <= 1
    # Of the first, one in the thread too.
    assert received[ada].count("conversation.assignee_changed") == AT_ONCE + 1
    for id in ids:
        assert sum("automatically" in line for line in activities(app, id)) == 1
    with app.app_context():
        kinds = db.session.scalars(select(Notification.kind)).all()
    assert kinds == ["assignment"] * AT_ONCE


def test_many_conversations_opened_at_once_do_not_exceed_the_cap(
    app, automatic, subscribe, ada, kevin
):
    nora, olga = add_agents(app, "Nora", "Olga")
    set_inbox(app, assignment_cap=3)
    present(subscribe, nora, olga)
    ids = resolved(app, AT_ONCE)
    assert openings(app, ids) == [201] * AT_ONCE
    assert Counter(assignee_of(app, id) for id in ids) == {
        nora.id: 3, olga.id: 3, None: AT_ONCE - 6
    }  # fmt: skip


def test_pollers_of_several_processes_assign_each_waiting_conversation_once(
    app, automatic, subscribe, ada, kevin
):
    ids = resolved(app, AT_ONCE)
    openings(app, ids)
    present(subscribe, ada, kevin)

    def poll() -> int:
        with app.app_context():
            return assign_waiting()

    jobs = [gevent.spawn(poll) for _ in range(4)]
    gevent.joinall(jobs, raise_error=True)
    assert sum(job.value for job in jobs) == AT_ONCE
    assert Counter(assignee_of(app, id) for id in ids) == {ada.id: 6, kevin.id: 6}
    for id in ids:
        assert sum("automatically" in line for line in activities(app, id)) == 1


def test_an_assignment_by_hand_at_the_same_time_wins_or_is_refused_for_its_version(
    app, automatic, subscribe, ada, kevin
):
    present(subscribe, kevin)
    for id in resolved(app, 6):
        version = ada.get(f"/conversations/{id}").json["conversation"]["version"]
        body = {"assignee_id": ada.id, "version": version}
        by_hand = gevent.spawn(ada.post, f"/conversations/{id}/assignee", body)
        opens = gevent.spawn(openings, app, [id])
        gevent.joinall([by_hand, opens], raise_error=True)
        status = by_hand.value.status_code
        assert status in (200, 409)
        assert assignee_of(app, id) == (ada.id if status == 200 else kevin.id)


def test_a_member_removed_at_the_same_time_is_not_left_with_what_they_do_not_see(
    app, automatic, subscribe, kevin
):
    present(subscribe, kevin)
    ids = resolved(app, 3)

    def remove() -> None:
        with app.app_context():
            inbox, user = db.session.get_one(Inbox, WEBSITE), db.session.get_one(User, kevin.id)
            remove_from_inbox(inbox, user)

    gevent.joinall([gevent.spawn(openings, app, ids), gevent.spawn(remove)], raise_error=True)
    assert outbox_drained(app)
    with app.app_context():
        assert assign_waiting() == 0
    writes(app, *resolved(app))
    assert {assignee_of(app, id) for id in ids} <= {kevin.id, None}
