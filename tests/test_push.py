"""Push notifications: to whom they go, when, with which content, and once of all processes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import gevent
import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp import vapid
from rtapp.config import SIGNED_IN_FOR
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Push
from rtapp.models import PushSubscription
from rtapp.models import UserSession
from rtapp.push import sender as sending
from rtapp.push.sender import PUSHES
from rtapp.push.sender import Sender

from .harness.push_service import PushService
from .harness.push_service import Scripted
from .harness.push_service import Subscription
from .harness.push_service import push_service
from .harness.push_service import topics
from .push import SignedIn
from .support import ApiClient
from .support import CustomerClient

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MARIAS = 1  # the conversation of Maria, a customer


@pytest.fixture(scope="module")
def service() -> Iterator[PushService]:
    with push_service() as service:
        yield service


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    service = Scripted()
    yield service
    service.close()


class Time:
    """The time that the application reads, which a test puts forward."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def pass_(self, **by: float) -> None:
        self.passed += timedelta(**by)


@pytest.fixture
def time(monkeypatch) -> Time:
    time, now = Time(), clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + time.passed)
    return time


class Sending:
    """A process that sends, on demand."""

    def __init__(self, app: Flask, *hosts: str):
        self.app = app
        own = replace(app.extensions["settings"], push_endpoint_hosts=frozenset(hosts))
        app.config["PUSH_ENDPOINT_HOSTS"] = own.push_endpoint_hosts
        self.sender = Sender(app, own)

    def begin(self) -> int:
        with self.app.app_context():
            return self.sender.send_due()

    def run(self) -> None:
        while self.begin():
            pass
        self.sender.join()


@pytest.fixture
def process(app, service, scripted, time) -> Sending:
    return Sending(app, service.host, scripted.host)


def subscribed(app: Flask, name: str, service: PushService) -> Subscription:
    """The subscription of a browser in which the user has signed in and closed the page."""
    subscription = service.subscribe(app.config["VAPID_PUBLIC_KEY"])
    answer = SignedIn(app, name).subscribe(subscription.endpoint, **subscription.keys)
    assert answer.status_code == 204, answer.json
    return subscription


@pytest.fixture
def kevins(app, process, service) -> Subscription:
    return subscribed(app, "kevin", service)


def left(app: Flask) -> list[Push]:
    with app.app_context():
        return list(db.session.scalars(select(Push).order_by(Push.id)))


def assign(app: Flask, client: ApiClient | None) -> None:
    """Assign Maria's conversation, without notifications."""
    with app.app_context():
        db.session.execute(update(Conversation).where(Conversation.id == MARIAS).values(
            assignee_id=client.id if client else None))  # fmt: skip
        db.session.commit()


def titles(service: PushService, subscription: Subscription) -> list[str]:
    return [push["title"] for push in service.received(subscription)]


def counted(result: str) -> float:
    value: float = PUSHES.labels(result)._value.get()
    return value


# Content


def test_a_customers_message_reaches_the_assignees_browser_encrypted_for_it(
    app, kevin, maria, kevins, process, service
):
    assign(app, kevin)
    assert maria.send(MARIAS, "Where is\n my  parcel?").status_code == 201
    process.run()
    assert service.received(kevins) == [
        {
            "title": "Maria Lindqvist wrote",
            "body": "Where is my parcel?",
            "tag": f"conversation-{MARIAS}",
            "path": f"/conversations/{MARIAS}",
            "unread": service.received(kevins)[0]["unread"],
            "user": kevin.id,
        }
    ]
    numbers = kevin.get("/accounts/1/unread").json["conversations"]
    assert service.received(kevins)[0]["unread"] == numbers[str(MARIAS)] >= 1
    assert left(app) == []


@sqlite
def test_a_mention_and_an_assignment_are_pushed_with_their_author(
    app, ada, kevin, kevins, process, service
):
    assign(app, None)
    note = ada.send(MARIAS, "@Kevin please look", private=True).json
    process.run()
    assert (
        ada.post(f"/conversations/{MARIAS}/assignee", {"assignee_id": kevin.id}).status_code == 200
    )
    process.run()
    mention, assignment = service.received(kevins)
    assert (mention["title"], mention["body"]) == (
        "Ada mentioned you in Maria Lindqvist", "@Kevin please look",
    )  # fmt: skip
    at = f"?message={note['id']}#message-{note['id']}"
    assert mention["path"] == f"/conversations/{MARIAS}{at}"
    assert (assignment["title"], assignment["body"]) == (
        "Ada assigned a conversation to you in Maria Lindqvist", "",
    )  # fmt: skip


@sqlite
def test_the_longest_content_of_wide_characters_fits_into_a_push(
    app, ada, kevin, maria, kevins, process, service
):
    assign(app, kevin)
    assert ada.post("/contacts/1", {"name": "𒀱" * 200}).status_code == 200
    maria.send(MARIAS, "👩" * 5000)
    process.run()
    (push,) = service.received(kevins)
    assert push["body"] == "👩" * 120


@sqlite
def test_a_request_has_the_headers_of_web_push_and_a_signature_for_its_origin(
    app, kevin, maria, scripted, process
):
    assign(app, kevin)
    SignedIn(app, "kevin").subscribe(scripted.url)
    maria.send(MARIAS, "A secret text")
    process.run()
    (request,) = scripted.requests
    assert request.path == "/send"
    headers = request.headers
    assert (headers["Urgency"], headers["Content-Encoding"]) == ("high", "aes128gcm")
    assert 86_000 < int(headers["TTL"]) <= 86_400
    assert headers["Topic"] == f"conversation-{MARIAS}"
    assert len(headers["Topic"]) <= 32
    token, key = headers["Authorization"].removeprefix("vapid t=").split(",k=")
    assert key == app.config["VAPID_PUBLIC_KEY"]
    assert f'"aud":"http://{scripted.host}"'.encode() in vapid.decode(token.split(".")[1])
    assert b"secret" not in request.body


# To whom


@pytest.mark.parametrize(
    ("alerts", "assignee", "pushed"),
    [("mine", "kevin", True), ("mine", None, False), ("mine", "ada", False),
     ("mine_and_unassigned", None, True), ("mine_and_unassigned", "ada", False),
     ("inboxes", "ada", True), ("inboxes", None, True), ("inboxes", "kevin", True)],
)  # fmt: skip
def test_customers_messages_are_pushed_by_the_users_choice_of_alerts(
    app, ada, kevin, maria, kevins, process, service, alerts, assignee, pushed
):
    assert kevin.post("/accounts/1/alerts", {"alerts": alerts}).status_code == 200
    assign(app, {"kevin": kevin, "ada": ada, None: None}[assignee])
    maria.send(MARIAS, "Hello?")
    process.run()
    assert titles(service, kevins) == ["Maria Lindqvist wrote"] * pushed


@sqlite
def test_what_a_user_does_not_see_or_has_written_is_not_pushed(
    app, ada, kevin, grace, maria, kevins, process, service
):
    graces = subscribed(app, "grace", service)
    for agent in (kevin, grace):
        agent.post("/accounts/1/alerts", {"alerts": "inboxes"})
    assign(app, None)
    maria.send(MARIAS, "For the agents of this inbox")
    kevin.send(MARIAS, "A reply")
    kevin.send(MARIAS, "@Grace @Kevin a note", private=True)
    kevin.post(f"/conversations/{MARIAS}/assignee", {"assignee_id": kevin.id})
    process.run()
    assert titles(service, graces) == []
    maria.send(MARIAS, "Another")
    process.run()
    assert titles(service, kevins) == ["Maria Lindqvist wrote"]


@sqlite
@pytest.mark.parametrize("alerts", ["mine", "inboxes"])
def test_customers_messages_in_spam_are_not_pushed_and_mentions_there_are(
    app, ada, kevin, maria, kevins, process, service, alerts
):
    kevin.post("/accounts/1/alerts", {"alerts": alerts})
    assign(app, kevin)
    assert ada.post(f"/conversations/{MARIAS}/status", {"status": "spam"}).status_code == 200
    maria.send(MARIAS, "Buy now")
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])
    ada.send(MARIAS, "@Kevin is this spam?", private=True)
    process.run()
    assert titles(service, kevins) == ["Ada mentioned you in Maria Lindqvist"]


@sqlite
def test_what_is_marked_as_spam_before_it_is_sent_is_not_pushed(
    app, ada, maria, kevins, process, service
):
    assign(app, None)
    maria.send(MARIAS, "Buy now")
    assert len(left(app)) == 1
    ada.post(f"/conversations/{MARIAS}/status", {"status": "spam"})
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])


def second_of_maria(ada: ApiClient) -> int:
    """Another conversation of Maria's."""
    contact = {"name": "Maria", "email": "maria.lindqvist@example.com"}
    new = {"inbox_id": 1, "contact": contact, "content": "Hello"}
    answer = ada.post("/accounts/1/conversations", new)
    assert answer.status_code == 201, answer.json
    id: int = answer.json["id"]
    return id


@sqlite
def test_a_message_whose_conversation_is_merged_before_it_is_sent_is_pushed_and_leads_to_the_other(
    app, ada, maria, kevins, process, service
):
    other = second_of_maria(ada)
    assign(app, None)
    maria.send(MARIAS, "Where is my parcel?")
    assert ada.post(f"/conversations/{MARIAS}/merge", {"into": other}).status_code == 200
    process.run()
    (push,) = service.received(kevins)
    assert push["body"] == "Where is my parcel?"
    assert (push["tag"], push["path"]) == (f"conversation-{other}", f"/conversations/{other}")


@sqlite
def test_a_message_that_was_read_in_the_other_conversation_after_a_merge_is_not_pushed(
    app, ada, kevin, maria, kevins, process, service
):
    other = second_of_maria(ada)
    assign(app, None)
    message = maria.send(MARIAS, "Where is my parcel?").json["id"]
    ada.post(f"/conversations/{MARIAS}/merge", {"into": other})
    assert kevin.post(f"/conversations/{other}/read", {"message_id": message}).status_code == 204
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])


@sqlite
def test_a_user_who_loses_the_inbox_before_it_is_sent_receives_nothing(
    app, kevin, maria, kevins, process, service
):
    assign(app, None)
    maria.send(MARIAS, "Private from now on")
    assert len(left(app)) == 1
    with app.app_context():
        db.session.execute(delete(InboxMember).where(InboxMember.user_id == kevin.id))
        db.session.commit()
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])


@sqlite
def test_a_user_who_is_no_member_any_more_receives_nothing(
    app, kevin, maria, kevins, process, service
):
    assign(app, None)
    maria.send(MARIAS, "One")
    with app.app_context():
        db.session.execute(delete(Membership).where(Membership.user_id == kevin.id))
        db.session.commit()
    maria.send(MARIAS, "Two")
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])


def test_what_waits_for_a_browser_goes_with_its_session(app, maria, process, service):
    assign(app, None)
    browser = SignedIn(app, "kevin")
    subscription = service.subscribe(app.config["VAPID_PUBLIC_KEY"])
    browser.subscribe(subscription.endpoint, **subscription.keys)
    maria.send(MARIAS, "Hello?")
    assert len(left(app)) == 1
    assert browser.post("/logout").status_code == 204
    assert left(app) == []
    maria.send(MARIAS, "Hello?")
    process.run()
    assert (titles(service, subscription), left(app)) == ([], [])


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_message_succeeds_while_a_session_that_it_would_be_pushed_to_is_being_ended(
    app, maria, kevins
):
    assign(app, None)
    with app.app_context(), db.engine.begin() as ending:
        ending.execute(delete(UserSession))  # locks the subscription, until the commit
        assert maria.send(MARIAS, "Hello?").status_code == 201
    assert left(app) == []


@sqlite
def test_a_session_that_is_too_old_receives_nothing(app, maria, kevins, process, service):
    assign(app, None)
    maria.send(MARIAS, "One")
    with app.app_context():
        began = clock.now() - timedelta(seconds=SIGNED_IN_FOR + 1)
        db.session.execute(update(UserSession).values(created_at=began))
        db.session.commit()
    maria.send(MARIAS, "Two")
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])


@sqlite
def test_without_a_key_of_vapid_nothing_is_recorded(app, maria, kevins):
    assign(app, None)
    app.config["VAPID_PUBLIC_KEY"] = None
    maria.send(MARIAS, "Hello?")
    assert left(app) == []


# When


@pytest.fixture
def present(subscribe, kevin):
    """Kevin's page, which is open."""
    stream = subscribe("presence:1", kevin)
    assert stream.confirmed
    return stream


@sqlite
def test_nothing_is_pushed_to_a_user_with_an_open_page(
    app, maria, kevins, process, service, present, time
):
    assign(app, None)
    maria.send(MARIAS, "Hello?")
    for _ in range(8):
        process.run()
        time.pass_(seconds=10)
    assert (titles(service, kevins), left(app)) == ([], [])


@sqlite
def test_a_message_is_pushed_if_its_user_leaves_without_reading_it(
    app, broker, maria, kevins, process, service, present, time
):
    assign(app, None)
    maria.send(MARIAS, "Hello?")
    process.run()
    assert len(left(app)) == 1
    present.close()
    with app.app_context():
        process.app.extensions["broker"].redis.flushall()  # the lease ends
    process.run()
    assert titles(service, kevins) == []  # not due yet
    time.pass_(seconds=10)
    process.run()
    assert titles(service, kevins) == ["Maria Lindqvist wrote"]


@sqlite
def test_what_was_read_or_deleted_meanwhile_is_not_pushed(
    app, ada, kevin, maria, kevins, process, service
):
    assign(app, None)
    message = maria.send(MARIAS, "Read elsewhere").json["id"]
    assert kevin.post(f"/conversations/{MARIAS}/read", {"message_id": message}).status_code == 204
    process.run()
    deleted = maria.send(MARIAS, "Deleted").json["id"]
    assert ada.post(f"/messages/{deleted}/delete").status_code == 204
    process.run()
    assert (titles(service, kevins), left(app)) == ([], [])


@sqlite
def test_of_several_messages_of_a_conversation_the_last_is_pushed(
    app, maria, kevins, process, service
):
    assign(app, None)
    for text in ("One", "Two", "Three"):
        maria.send(MARIAS, text)
    process.run()
    (push,) = service.received(kevins)
    assert (push["body"], left(app)) == ("Three", [])


@sqlite
def test_while_redis_is_away_pushes_wait(app, maria, kevins, process, service, monkeypatch):
    assign(app, None)
    maria.send(MARIAS, "Hello?")

    def away(account_id: int) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(sending.presence, "present", away)
        process.run()
    assert (titles(service, kevins), len(left(app))) == ([], 1)
    process.run()
    assert titles(service, kevins) == ["Maria Lindqvist wrote"]


# Exactly one process


def test_of_several_processes_one_sends(app, maria, kevins, process, service):
    assign(app, None)
    maria.send(MARIAS, "Hello?")
    hosts = process.sender._own_hosts
    processes = [process, *(Sending(app, *hosts) for _ in range(3))]
    gevent.joinall([gevent.spawn(each.run) for each in processes], raise_error=True)
    assert titles(service, kevins) == ["Maria Lindqvist wrote"]
    assert left(app) == []


def test_what_a_process_claimed_and_did_not_send_another_one_sends_later(
    app, maria, kevins, process, service, time
):
    assign(app, None)
    maria.send(MARIAS, "Hello?")
    with app.app_context():
        ids = [push.id for push in left(app)]
        assert sending.claim(ids, clock.now()) == ids  # and the process dies
        assert sending.claim(ids, clock.now()) == []
    process.run()
    assert titles(service, kevins) == []
    time.pass_(seconds=61)
    process.run()
    assert titles(service, kevins) == ["Maria Lindqvist wrote"]


# What the push service answers


@pytest.fixture
def pushed(app, kevin, maria, scripted, process):
    """`pushed()`: Maria writes, and it is sent to Kevin's browser. Returns the requests so far."""
    assign(app, kevin)
    assert SignedIn(app, "kevin").subscribe(scripted.url).status_code == 204

    def pushed():
        maria.send(MARIAS, "Hello?")
        process.run()
        return scripted.requests

    return pushed


def subscriptions(app: Flask) -> int:
    with app.app_context():
        return len(list(db.session.scalars(select(PushSubscription))))


def test_a_browser_that_has_unsubscribed_gets_nothing_more(app, maria, kevins, process, service):
    assign(app, None)
    service.expire(kevins)
    maria.send(MARIAS, "Hello?")
    process.run()
    assert (subscriptions(app), left(app)) == (0, [])


@sqlite
@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_gone_is_deleted(app, pushed, scripted, status):
    scripted.status = status
    before = counted("gone")
    assert len(pushed()) == 1
    assert (subscriptions(app), left(app), counted("gone")) == (0, [], before + 1)


@sqlite
@pytest.mark.parametrize("status", [400, 401, 403, 413, 301, 307])
def test_a_push_that_is_refused_is_dropped_and_the_subscription_stays(
    app, pushed, scripted, status
):
    scripted.status, scripted.headers = status, {"Location": f"{scripted.url}/elsewhere"}
    before = counted("refused")
    assert [request.path for request in pushed()] == ["/send"]  # no redirect is followed
    assert (subscriptions(app), left(app), counted("refused")) == (1, [], before + 1)


@sqlite
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_push_service_is_tried_again_with_longer_delays_and_then_given_up(
    app, pushed, scripted, process, time, status
):
    scripted.status = status
    pushed()
    for attempts, delay in ((1, 30), (2, 120), (3, 480)):
        assert len(scripted.requests) == attempts
        time.pass_(seconds=delay - 5)
        process.run()
        assert len(scripted.requests) == attempts
        time.pass_(seconds=10)
        process.run()
    assert (len(scripted.requests), left(app), subscriptions(app)) == (4, [], 1)


@sqlite
def test_a_push_service_that_is_back_receives_the_push_with_the_rest_of_its_time_to_live(
    pushed, scripted, process, time
):
    scripted.status = 503
    pushed()
    scripted.status = 201
    time.pass_(seconds=600)
    process.run()
    first, second = (int(request.headers["TTL"]) for request in scripted.requests)
    assert 590 < first - second < 700


@sqlite
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(pushed, scripted, process, time, as_date):
    scripted.status = 429
    date = (clock.now() + timedelta(hours=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    scripted.headers = {"Retry-After": date if as_date else "7200"}
    pushed()
    scripted.status = 201
    time.pass_(seconds=7000)
    process.run()
    assert len(scripted.requests) == 1
    time.pass_(seconds=300)
    process.run()
    assert len(scripted.requests) == 2


@sqlite
@pytest.mark.parametrize("wait", ["86400", "9" * 400])
def test_a_push_that_would_come_after_a_day_is_given_up(app, pushed, scripted, wait):
    scripted.status, scripted.headers = 503, {"Retry-After": wait}
    assert len(pushed()) == 1
    assert left(app) == []


@sqlite
def test_a_push_service_that_can_not_be_reached_is_tried_again(
    app, pushed, scripted, process, time
):
    scripted.close()
    assert pushed() == []
    (push,) = left(app)
    assert (push.attempts, subscriptions(app)) == (1, 1)


@sqlite
def test_the_topics_of_two_conversations_differ(app, kevin, pushed, process, scripted):
    pushed()
    with app.app_context():
        second = db.session.get_one(Conversation, 2)
        second.assignee_id = kevin.id
        email = second.contact.email
        db.session.commit()
    CustomerClient(app, email).send(2, "Hello too")
    process.run()
    assert topics(scripted.requests) == ["1", "2"]


@sqlite
def test_logs_have_the_push_services_host_and_neither_the_endpoint_nor_a_key(
    app, pushed, scripted, process, caplog
):
    caplog.set_level("DEBUG")
    scripted.status = 403
    pushed()
    assert "127.0.0.1: it answered 403 (refused)" in caplog.text
    with app.app_context():
        row = db.session.scalars(select(PushSubscription)).one()
    for secret in (row.endpoint, "/send", row.p256dh, row.auth, row.session_id):
        assert secret not in caplog.text
