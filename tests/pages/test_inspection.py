"""The inspect page: whose streams are open, at which position; their end; what is not published."""

import itertools
import json
from contextlib import ExitStack
from contextlib import closing

import pytest
from sqlalchemy import update

from rtapp import clock
from rtapp.extensions import db
from rtapp.models import OutboxEvent
from rtapp.models import UserSession
from rtapp.realtime import inspection
from rtapp.realtime.broker import INSPECT
from rtapp.realtime.broker import Topic

from ..support import PATIENCE
from ..support import ApiClient
from ..support import envelope
from ..support import eventually
from ..support import outbox_drained

INSPECTED = "/accounts/1/settings/inspect"
END = f"{INSPECTED}/streams/end"
RETRY = f"{INSPECTED}/outbox/retry"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def zoe(app, other):
    """The administrator of another account."""
    return ApiClient(app, "zoe@example.com")


def live(client, path, **headers):
    """A stream that has caught up: it received a snapshot or the answer to its opening."""
    stream = client.stream(path, **headers)
    stream.named("stream.open")
    return stream


def streams(client, account=1):
    return client.get(f"/accounts/{account}/settings/inspect").json["streams"]


def all_live(client, number):
    def found():
        rows = streams(client)
        return rows if [row["state"] for row in rows] == ["live"] * number else None

    return eventually(found, f"{number} streams are live")


def form(client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return client.app.test_client().post(path, data=fields, headers=headers)


# Streams


def test_an_administrator_sees_whose_streams_of_the_account_are_open(ada, kevin, maria, zoe, other):
    with ExitStack() as opened:
        for client, path, agent in (
            (kevin, "/streams?stream=account:1&stream=presence:1", FIREFOX),
            (maria, "/streams/conversations/1", "curl/8.5"),
            (zoe, f"/streams/accounts/{other.account}", "of another account"),
        ):
            opened.enter_context(closing(live(client, path, user_agent=agent)))
        rows = {row["user"]["name"]: row for row in all_live(ada, 2)}
        kevins, marias = rows["Kevin"], rows["Maria Lindqvist"]
        assert kevins["user"] == {"type": "user", "id": kevin.id, "name": "Kevin"}
        assert marias["user"] == {"type": "contact", "id": maria.id, "name": "Maria Lindqvist"}
        assert kevins["streams"] == ["account:1", "presence:1"]
        assert (kevins["device"], kevins["user_agent"]) == ("Firefox on Linux", FIREFOX)
        assert (marias["device"], marias["address"]) == ("curl", "127.0.0.1")
        assert (kevins["lag"], kevins["unsent"], kevins["blocked"]) == (0, 0, 0)
        assert kevins["cursor"] == kevins["newest"]
        assert kevins["since"] <= clock.rfc3339(clock.now())
        page = ada.page(INSPECTED).text
        for text in ("Kevin", "Maria Lindqvist", "Firefox on Linux", "account:1, presence:1"):
            assert text in page
        assert "of another account" not in page
        assert ada.get(INSPECTED).json["processes"] == {"asked": 1, "answered": 1}
        assert [row["user"]["name"] for row in streams(zoe, other.account)] == ["Zoe"]
    eventually(lambda: streams(ada) == [], "closed streams are not listed")
    assert "No stream is open." in ada.page(INSPECTED).text


def test_a_position_moves_with_the_events_that_a_stream_receives(app, ada, kevin):
    with closing(live(kevin, "/streams/conversations/1")) as stream:
        (before,) = all_live(ada, 1)
        ada.send(1, "Hello")
        sent = stream.named("message.created")
        (after,) = all_live(ada, 1)
        assert before["cursor"] < after["cursor"] == sent.id
        assert (after["lag"], after["id"]) == (0, before["id"])


@sqlite_only
def test_a_reader_that_takes_nothing_is_listed_first_with_its_lag_and_unsent_bytes(
    ada, kevin, broker
):
    with (
        closing(live(kevin, "/streams/conversations/1")),
        closing(live(ada, "/streams/accounts/1/presence")),
    ):
        all_live(ada, 2)

        body, keys = json.dumps({"data": "x" * 100_000}), itertools.count()

        def is_behind():
            broker.publish(1, f"k{next(keys)}", "message.created", [("conversation:1", body)])
            first = streams(ada)[0]
            return first if first["unsent"] and first["lag"] else None

        behind = eventually(is_behind, "the socket is full")
        assert behind["user"]["name"] == "Kevin"
        assert behind["state"] == "catching_up"
        assert behind["cursor"] < behind["newest"]
        page = ada.page(INSPECTED).text
        assert "bytes unsent" in page
        assert f"behind {behind['newest']}" in page


@sqlite_only
def test_only_so_many_streams_are_listed_and_all_are_counted(ada, kevin, monkeypatch):
    monkeypatch.setattr(inspection, "SHOWN", 2)
    with ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(closing(live(kevin, "/streams/conversations/1")))
        found = ada.get(INSPECTED).json
        assert (found["total"], len(found["streams"])) == (3, 2)
        assert "2 of the streams are shown" in ada.page(INSPECTED).text


@sqlite_only
def test_what_a_client_calls_itself_is_cut_and_never_markup(ada, kevin):
    agent = "<script>alert(1)</script>\u00e9" + "x" * 400
    with closing(live(kevin, "/streams/accounts/1", user_agent=agent)):
        (row,) = streams(ada)
        assert row["user_agent"].startswith("<script>alert(1)</script>x")
        assert len(row["user_agent"]) == 300
        assert row["device"] == "Unknown browser"
        assert "alert(1)" not in ada.page(INSPECTED).text


@sqlite_only
def test_neither_answer_nor_what_passes_through_redis_has_a_credential(app, ada, kevin, maria):
    browser = app.test_client()
    signed_in = {"email": "kevin@example.com", "password": "password"}
    assert browser.post("/login", json=signed_in).status_code == 200
    cookie = browser.get_cookie("session").value
    with app.app_context():
        (session,) = db.session.query(UserSession.id).one()
    tokens = [c.headers["Authorization"].removeprefix("Bearer ") for c in (ada, kevin, maria)]
    with (
        closing(live(kevin, "/streams/accounts/1")),
        closing(live(maria, "/streams/conversations/1")),
        closing(browser.get("/streams/accounts/1")) as opened,
        app.extensions["broker"].redis.monitor() as monitor,
    ):
        assert opened.status_code == 200
        eventually(lambda: len(streams(ada)) == 3, "all streams are listed")
        texts = [ada.page(INSPECTED).text, ada.get(INSPECTED).text]
        app.extensions["broker"].redis.get("the last command")
        passed = []
        while not passed or "the last command" not in passed[-1]:
            passed.append(monitor.next_command()["command"])
        assert any("rt:inspect:" in command and "RPUSH" in command for command in passed)
        for text in (*texts, *(c for c in passed if INSPECT in c)):
            for secret in (*tokens, cookie, session, *(t.rpartition("_")[2] for t in tokens)):
                assert secret not in text


@sqlite_only
def test_without_a_question_nothing_is_done_for_the_page(ada, kevin, broker):
    def asked_while(act):
        with broker.redis.monitor() as monitor:
            act()
            assert outbox_drained(ada.app)
            broker.redis.get("the last command")
            passed = []
            while not passed or "the last command" not in passed[-1]:
                passed.append(monitor.next_command()["command"])
        assert len(passed) > 1
        return [command for command in passed if INSPECT in command]

    def opens_and_receives():
        with closing(live(kevin, "/streams/conversations/1")) as stream:
            ada.send(1, "Hello")
            stream.named("message.created")

    opens_and_receives()  # the process has subscribed
    assert asked_while(opens_and_receives) == []
    assert asked_while(lambda: ada.get(INSPECTED)) != []


@sqlite_only
def test_a_question_that_arrives_twice_lists_each_stream_once(ada, kevin, engine, monkeypatch):
    with closing(live(kevin, "/streams/conversations/1")):
        all_live(ada, 1)
        once = engine.inspection.asked
        monkeypatch.setattr(engine.inspection, "asked", lambda text: (once(text), once(text)))
        publish = engine.broker.for_requests.redis.publish
        monkeypatch.setattr(
            engine.broker.for_requests.redis, "publish", lambda *sent: 2 * publish(*sent)
        )
        found = ada.get(INSPECTED).json
        assert (len(found["streams"]), found["total"]) == (1, 1)
        assert found["processes"] == {"asked": 2, "answered": 1}


# Ending one


def test_a_stream_that_is_ended_is_closed_with_a_reason_and_no_other_one(ada, kevin, maria):
    with (
        closing(live(kevin, "/streams/conversations/1")) as kevins,
        closing(live(maria, "/streams/conversations/1")) as marias,
    ):
        rows = {row["user"]["name"]: row["id"] for row in all_live(ada, 2)}
        assert ada.post(END, {"stream": rows["Kevin"]}).status_code == 204
        closed = envelope(kevins.until("stream.closed")[-1])
        assert (closed["reason"], closed["reconnect"]) == ("ended", True)
        assert 6_000 < closed["retry_after"] < 14_000
        assert kevins.ended()
        ada.send(1, "still here")
        assert envelope(marias.named("message.created"))["data"]["content"] == "still here"
        assert [row["user"]["name"] for row in streams(ada)] == ["Maria Lindqvist"]
        assert ada.post(END, {"stream": rows["Kevin"]}).status_code == 404
        gone = form(ada, END, stream=rows["Kevin"])
        assert (gone.status_code, gone.mimetype) == (404, "text/html")
        assert "This stream has ended already." in gone.text
        assert form(ada, END, stream=rows["Maria Lindqvist"]).status_code == 303
        assert marias.ended()


@sqlite_only
def test_no_administrator_ends_a_stream_of_another_account(ada, kevin, zoe, other):
    with closing(live(kevin, "/streams/conversations/1")):
        (row,) = all_live(ada, 1)
        theirs = f"/accounts/{other.account}/settings/inspect/streams/end"
        assert zoe.post(theirs, {"stream": row["id"]}).status_code == 404
        assert zoe.post(END, {"stream": row["id"]}).status_code == 404
        assert kevin.post(END, {"stream": row["id"]}).status_code == 403
        assert [each["id"] for each in streams(ada)] == [row["id"]]


@sqlite_only
def test_ending_a_stream_refuses_bad_input(ada, kevin):
    with closing(live(kevin, "/streams/conversations/1")):
        all_live(ada, 1)
        for stream in (None, "", 1, True, ["x"], "x" * 65, "a\x00b"):
            refused = ada.post(END, {"stream": stream})
            assert (refused.status_code, list(refused.json["errors"])) == (422, ["stream"])
        for body in ({}, {"stream": "x", "reason": "forbidden"}, []):
            assert ada.post(END, body).status_code == 422
        for stream in ("0badc0de-7-1", "../../1 *", "*", '{"end": 1}', "é"):
            refused = ada.post(END, {"stream": stream})
            assert (refused.status_code, refused.mimetype) == (404, "application/problem+json")
        all_live(ada, 1)


# Processes that do not answer


@sqlite_only
def test_without_redis_the_page_has_the_outbox_and_says_why_it_has_no_streams(ada, redis):
    redis.stop()
    try:
        found = ada.get(INSPECTED)
        assert (found.status_code, found.json["processes"]) == (200, None)
        assert "Redis does not answer" in found.json["problem"]
        page = ada.page(INSPECTED)
        assert page.status_code == 200
        assert "Redis does not answer" in page.text
        assert "No event waits." in page.text
        refused = ada.post(END, {"stream": "x"})
        assert (refused.status_code, refused.mimetype) == (503, "application/problem+json")
    finally:
        redis.start()


@sqlite_only
def test_a_process_that_does_not_answer_is_counted_and_no_end_is_claimed(
    ada, kevin, broker, monkeypatch
):
    with closing(live(kevin, "/streams/conversations/1")):
        (row,) = all_live(ada, 1)
        monkeypatch.setattr(inspection, "PATIENCE", 0.3)
        with broker.redis.pubsub() as silent:  # another process, which hangs
            silent.subscribe(INSPECT)
            silent.get_message(timeout=5)
            found = ada.get(INSPECTED).json
            assert found["processes"] == {"asked": 2, "answered": 1}
            assert "1 of 2 processes have answered" in found["problem"]
            assert "1 of 2 processes have answered" in ada.page(INSPECTED).text
            unsure = ada.post(END, {"stream": "0badc0de-7-1"})
            assert (unsure.status_code, "may still be open" in unsure.text) == (503, True)
            assert ada.post(END, {"stream": row["id"]}).status_code == 204  # which one has answered


@sqlite_only
@pytest.mark.parametrize(
    "question", [b"", b"x", b"x {", b"x 1", b'x {"account_id": 1, "end": 5}', b"\xff {}", b"x {}"]
)
def test_a_question_that_a_process_does_not_understand_disturbs_nothing(
    ada, kevin, broker, question
):
    with closing(live(kevin, "/streams/conversations/1")) as stream:
        all_live(ada, 1)
        assert broker.redis.publish(INSPECT, question) == 1
        ada.send(1, "Hello")
        stream.named("message.created")
        all_live(ada, 1)


# Resets and gaps


def incidents(client, account=1):
    rows = client.get(f"/accounts/{account}/settings/inspect").json["incidents"]
    return [(row["kind"], row["reason"], row["topics"], row["streams"]) for row in rows]


def test_a_reset_is_kept_for_the_administrators_of_its_account(ada, kevin, zoe, other):
    assert incidents(ada) == []
    assert "There were none." in ada.page(INSPECTED).text
    path = "/streams/conversations/1?last_event_id=1-1-1"
    for _ in range(2):
        with closing(live(kevin, path)) as stream:
            stream.named("stream.reset")
    kept = incidents(ada)
    assert {row[:3] for row in map(tuple_of, kept)} == {
        ("reset", "unknown_cursor", ("conversation:1",))
    }
    assert sum(row[3] for row in kept) == 2
    assert incidents(zoe, other.account) == []
    assert "the position was of another log" in ada.page(INSPECTED).text.lower()


def tuple_of(row):
    kind, reason, topics, count = row
    return kind, reason, tuple(topics), count


@sqlite_only
def test_a_published_reset_and_one_of_lost_rights_are_kept_with_their_reasons(app, ada, kevin):
    with closing(live(kevin, "/streams/accounts/1")) as stream:
        all_live(ada, 1)
        assert ada.post("/accounts/1/labels", {"title": "New", "colour": 0}).status_code == 201
        stream.until("stream.reset")
        kind, reason, topics, _ = incidents(ada)[0]
        assert (kind, reason) == ("reset", "published")
        assert f"user:{kevin.id}" in topics


@sqlite_only
def test_a_gap_is_kept_with_its_topic(ada, kevin, engine):
    with closing(live(kevin, "/streams/conversations/1")) as stream:
        all_live(ada, 1)
        channel = Topic(1, "conversation:1").channel
        engine.pubsubs.all()[0].command("UNSUBSCRIBE", channel)
        assert engine.barrier(PATIENCE)
        ada.send(1, "missed")
        assert outbox_drained(ada.app)
        engine.pubsubs.all()[0].command("SUBSCRIBE", channel)
        assert engine.barrier(PATIENCE)
        assert incidents(ada) == []
        ada.send(1, "after it")
        contents = [envelope(stream.next())["data"]["content"] for _ in range(2)]
        assert contents == ["missed", "after it"]
        assert incidents(ada) == [("gap", "missed", ["conversation:1"], 1)]
        assert "A message was missed" in ada.page(INSPECTED).text


# The outbox


@pytest.fixture
def waiting_events(app, ada):
    """A relay that publishes nothing until it is started."""
    app.extensions["relay"].stop()
    ada.send(1, "waits")


def test_waiting_events_are_counted_with_their_age(ada, zoe, other, waiting_events):
    box = ada.get(INSPECTED).json["outbox"]
    assert (box["waiting"], box["set_aside"], box["dead_letters"]) == (3, 0, [])
    assert box["oldest"] <= clock.rfc3339(clock.now())
    page = ada.page(INSPECTED).text
    assert "3 events wait" in page
    assert "Try all" not in page
    theirs = zoe.get(f"/accounts/{other.account}/settings/inspect").json["outbox"]
    assert (theirs["waiting"], theirs["oldest"]) == (0, None)


def set_aside(app, account, error="ResponseError: <b>wrong</b>"):
    with app.app_context():
        db.session.execute(
            update(OutboxEvent)
            .where(OutboxEvent.account_id == account)
            .values(dead_lettered_at=clock.now(), error=error)
        )
        db.session.commit()


def test_dead_letters_of_the_account_alone_are_shown_and_tried_again(
    app, ada, zoe, other, waiting_events
):
    zoe.send(other.conversation, "theirs")
    for account in (1, other.account):
        set_aside(app, account)
    box = ada.get(INSPECTED).json["outbox"]
    assert (box["waiting"], box["oldest"], box["set_aside"]) == (0, None, 3)
    assert [row["event"] for row in box["dead_letters"]].count("message.created") >= 1
    assert all(row["error"] == "ResponseError: <b>wrong</b>" for row in box["dead_letters"])
    page = ada.page(INSPECTED).text
    assert "3 dead letters" in page
    assert "&lt;b&gt;wrong" in page
    assert ada.post(RETRY).json == {"retried": 3}
    assert ada.post(RETRY).json == {"retried": 0}
    assert ada.get(INSPECTED).json["outbox"]["waiting"] == 3
    theirs = zoe.get(f"/accounts/{other.account}/settings/inspect").json["outbox"]
    assert theirs["set_aside"] == 3
    set_aside(app, 1)
    assert form(ada, RETRY).status_code == 303
    assert form(zoe, f"/accounts/{other.account}/settings/inspect/outbox/retry").status_code == 303
    app.extensions["relay"].start()
    assert outbox_drained(app)
    logged = app.extensions["broker"].redis.xrange("rt:{1}:conversation:1")
    assert [json.loads(fields[b"b"])["data"]["content"] for _, fields in logged] == ["waits"]


@sqlite_only
def test_trying_again_refuses_a_body(ada, kevin):
    assert ada.post(RETRY, {"all": True}).status_code == 422
    assert kevin.post(RETRY).status_code == 403
