"""Streams with `wait`: long polling by the same endpoints, frames and cursors."""

import json
import time

import gevent
import pytest

from rtapp.events.catalogue import EPHEMERAL

from ..support import envelope

THREAD = "/streams/conversations/1"
LONG = 60  # s


def opened(user, path=f"{THREAD}?wait={LONG}", cursor=None):
    """The stream, after its `stream.open`, and that event."""
    headers = {"Last_Event_ID": cursor} if cursor else {}
    stream = user.stream(path, **headers)
    return stream, stream.named("stream.open")


def viewing(user):
    """A stream by which the user has arrived as a viewer: the next one is no arrival."""
    stream = user.stream(THREAD)
    stream.ephemeral("conversation.viewers")
    return stream


def rest(stream):
    """The events up to the end of the stream, without ephemeral ones."""
    events = [event for event in stream.until("stream.closed") if event.event not in EPHEMERAL]
    assert stream.ended()
    return events


def test_a_stream_with_wait_ends_after_its_first_event(ada):
    stream, _ = opened(ada)
    sent = ada.send(1, "hello").json
    message, closed = rest(stream)
    assert envelope(message)["data"]["id"] == sent["id"]
    fields = json.loads(closed.data)
    assert (fields["reason"], fields["reconnect"]) == ("waited", True)
    assert closed.retry == fields["retry_after"] <= 20  # ms


def test_a_stream_without_wait_does_not_end_after_an_event(ada, engine):
    stream, _ = opened(ada, THREAD)
    ada.send(1, "hello")
    stream.named("message.created")
    engine.long_polling.close_due(time.monotonic() + 10 * LONG)
    ada.send(1, "again")
    assert envelope(stream.named("message.created"))["data"]["content"] == "again"
    stream.close()


def test_events_that_follow_at_once_are_in_the_same_response(ada):
    stream, _ = opened(ada)
    ada.post("/conversations/1/status", {"status": "resolved"})
    events = [event.event for event in rest(stream)]
    assert events == ["conversation.status_changed", "message.created", "stream.closed"]


def test_a_stream_with_wait_ends_when_its_time_is_over_and_not_before(ada, engine):
    beside = viewing(ada)
    stream, event = opened(ada)
    assert 0 < json.loads(event.data)["expires_in"] <= LONG
    engine.long_polling.close_due(time.monotonic() + LONG - 10)
    assert len(engine.hub) == 2
    engine.long_polling.close_due(time.monotonic() + LONG + 1)
    [closed] = rest(stream)
    assert json.loads(closed.data)["reason"] == "waited"
    assert len(engine.hub) == 1
    beside.close()


def test_a_wait_of_one_second_is_over_by_itself(ada):
    stream, _ = opened(ada, f"{THREAD}?wait=1")
    assert json.loads(rest(stream)[-1].data)["reason"] == "waited"


def test_snapshots_and_unread_counts_do_not_end_a_stream_with_wait(ada, engine):
    streams = "/streams?stream=account:1&stream=conversation:1&stream=presence:1"
    beside = ada.stream(streams)  # by which Ada is present, and a viewer
    arrivals = {"presence_update", "conversation.viewers"}
    while arrivals:
        if "Ada" in (event := beside.any()).data or f'"{ada.id}"' in event.data:
            arrivals.discard(event.event)
    stream, _ = opened(ada, f"{streams}&wait={LONG}")
    events = {event.event for event in stream.until("unread.changed")}
    assert {"conversation.viewers", "presence_update"} <= events
    assert not engine.hub.served
    assert len(engine.hub) == 2
    stream.close()
    beside.close()


@pytest.mark.parametrize("wait", ["0", "61", "-1", "1.5", "", "x", "1 ", "٣", "1e1", "0060"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(ada, wait):
    answer = ada.app.test_client().get(THREAD, query_string={"wait": wait}, headers=ada.headers)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert "from 1 to 60" in answer.json["detail"]


@pytest.mark.parametrize("format", ["json", "html", "turbo"])
def test_no_message_is_missed_or_repeated_over_many_requests(ada, kevin, format):
    expected = [f"number {n}." for n in range(60)]

    def write():
        for content in expected:
            assert kevin.send(1, content).status_code == 201
            gevent.sleep(0.01)

    stream, event = opened(ada, f"{THREAD}?wait={LONG}&format={format}")
    writer = gevent.spawn(write)
    cursor, received, requests = event.id, "", 1
    while expected[-1] not in received:
        for event in rest(stream):
            cursor = event.id or cursor
            received += event.data
        stream, event = opened(ada, f"{THREAD}?wait={LONG}&format={format}", cursor)
        assert json.loads(event.data)["resumed"] is True
        requests += 1
    writer.get()
    stream.close()
    assert requests > 3, "it was no long polling"
    shown = [content for content in expected if content in received]
    assert shown == expected
    assert len({received.count(content) for content in expected}) == 1


def test_a_reset_ends_a_stream_with_wait(ada):
    stream, _ = opened(ada, cursor="0badcafe-1-0")
    assert [event.event for event in rest(stream)] == ["stream.reset", "stream.closed"]


def test_presence_and_viewers_hold_between_the_requests(ada, kevin):
    names = "stream=conversation:1&stream=presence:1"
    watching = ada.stream(f"/streams?{names}")
    watching.named("stream.open")
    path = f"/streams?{names}&wait={LONG}"
    stream, event = opened(kevin, path)
    cursor, arrivals = event.id, {"presence_update", "conversation.viewers"}
    while arrivals:
        if "Kevin" in (change := watching.any()).data or f'"{kevin.id}"' in change.data:
            arrivals.discard(change.event)
    for n in range(5):
        ada.send(1, f"number {n}")
        received = ""
        while f"number {n}" not in received:
            for event in rest(stream):
                cursor = event.id or cursor
                received += event.data
            stream, _ = opened(kevin, path, cursor)
    ada.send(1, "the last one")
    for change in watching_until(watching, "the last one"):
        if change.event == "conversation.viewers":
            assert "Kevin" in change.data
        if change.event == "presence_update":
            assert kevin.id not in envelope(change)["data"].get("left", [])
    stream.close()
    watching.close()


def test_a_user_stays_present_over_ten_minutes_of_quiet_requests(ada, kevin, engine):
    """Sixty requests of ten seconds, each ended as if its time were over."""
    watching = ada.stream("/streams/accounts/1/presence")
    path = "/streams/accounts/1/presence?wait=10"
    stream, event = opened(kevin, path)
    while f'"{kevin.id}"' not in watching.any().data:
        pass
    for _ in range(60):
        engine.long_polling.close_due(time.monotonic() + 10)
        rest(stream)
        stream, event = opened(kevin, path, event.id)
    ada.post("/accounts/1/presence", {"status": "busy"})
    change = envelope(watching.until("presence_update")[-1])["data"]
    assert change["changed"] == {str(ada.id): "busy"}
    assert str(kevin.id) in ada.get("/accounts/1/presence").json["online_users"]
    stream.close()
    watching.close()


def watching_until(stream, content):
    events = [stream.any()]
    while content not in events[-1].data:
        events.append(stream.any())
    return events


def test_a_customer_who_polls_goes_on_typing(ada, maria):
    stream, event = opened(maria)
    watching = ada.stream(THREAD)
    watching.named("stream.open")
    maria.post("/conversations/1/typing", {"typing": True})
    assert watching.ephemeral("typing")["is_typing"] is True
    ada.send(1, "hello")
    rest(stream)
    stream, _ = opened(maria, cursor=event.id)
    ada.send(1, "the last one")
    assert "typing" not in {event.event for event in watching_until(watching, "the last one")}
    stream.close()
    watching.close()
