import pytest

from rtapp.realtime.cursor import Cursor

from ..support import Stream
from ..support import envelope
from ..support import eventually

STREAM = "/streams/conversations/1"


@pytest.mark.parametrize(
    "query",
    ["format=xml", "format=", "last_event_id=garbage", "last_event_id=a-b-c", "last_event_id=1-2"],
)
def test_a_bad_parameter_is_400(ada, query):
    answer = ada.get(f"{STREAM}?{query}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_malformed_cursor_in_the_header_is_400(ada):
    assert ada.get(STREAM, Last_Event_ID="x y").status_code == 400


def test_a_page_made_for_somebody_else_is_refused(ada, kevin):
    for path in (STREAM, "/streams?stream=conversation:1", "/streams/accounts/1/presence"):
        asked = f"{path}{'&' if '?' in path else '?'}user="
        for user in (kevin.id, "", "x"):
            refused = ada.get(f"{asked}{user}")
            assert (refused.status_code, refused.content_type) == (401, "application/problem+json")
        ada.stream(f"{asked}{ada.id}").close()


def test_headers_are_those_of_the_protocol(ada):
    answer = ada.get(STREAM)
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    answer.close()


def test_a_cursor_of_another_epoch_is_reset_and_goes_on(ada):
    stream = ada.stream(f"{STREAM}?last_event_id=other-1790000000000-0")
    opened = stream.named("stream.open")
    assert envelope(opened)["resumed"] is False
    reset = stream.named("stream.reset")
    assert envelope(reset) == {"reason": "unknown_cursor", "id": reset.id}
    assert envelope(opened)["id"] == opened.id
    assert opened.id == "other-1790000000000-0"  # cut here, a client would be reset again
    assert reset.id != opened.id
    ada.send(1, "afterwards")
    assert envelope(stream.named("message.created"))["data"]["content"] == "afterwards"
    stream.close()


def test_what_was_missed_is_replayed_and_the_header_wins(ada):
    stream = ada.stream(STREAM)
    stream.named("stream.open")
    ada.send(1, "first")
    ada.send(1, "second")
    ids = [stream.named("message.created").id for _ in range(2)]
    stream.close()
    ada.send(1, "third")
    again = ada.stream(f"{STREAM}?last_event_id={ids[1]}", Last_Event_ID=ids[0])
    opened = again.named("stream.open")
    assert (opened.id, envelope(opened)["resumed"]) == (ids[0], True)
    heard = [envelope(again.named("message.created"))["data"]["content"] for _ in range(2)]
    assert heard == ["second", "third"]
    again.close()


def test_an_older_cursor_than_the_log_keeps_is_reset(ada, broker):
    old = broker.position(1)._replace(ms=broker.now_ms() - 25 * 3600 * 1000)
    stream = ada.stream(f"{STREAM}?last_event_id={old}")
    stream.named("stream.open")
    assert envelope(stream.named("stream.reset"))["reason"] == "history_lost"
    stream.close()


def test_a_trimmed_log_is_reset_and_never_replayed_in_part(ada, broker):
    start = broker.position(1)
    for n in range(5):
        ada.send(1, f"message {n}")
    eventually(lambda: broker.redis.xlen("rt:{1}:conversation:1") == 5)
    broker.redis.xtrim("rt:{1}:conversation:1", maxlen=3, approximate=False)
    stream = ada.stream(f"{STREAM}?last_event_id={start}")
    stream.named("stream.open")
    assert envelope(stream.named("stream.reset"))["reason"] == "history_lost"
    ada.send(1, "next")
    assert envelope(stream.named("message.created"))["data"]["content"] == "next"
    stream.close()


def test_several_streams_come_in_one_order_on_one_connection(ada, broker):
    start = broker.position(1)
    path = "/streams?stream=conversation:1&stream=conversation:2&stream=account:1"
    live = ada.stream(path)
    assert envelope(live.named("stream.open"))["streams"] == [
        "conversation:1",
        "conversation:2",
        "account:1",
    ]
    for n in range(4):
        ada.send(1 + n % 2, f"message {n}")
    heard = [live.next() for _ in range(8)]
    replayed = ada.stream(f"{path}&last_event_id={start}")
    replayed.named("stream.open")
    assert [replayed.next().id for _ in range(8)] == [event.id for event in heard]
    cursors = [Cursor.parse(event.id) for event in heard]
    assert cursors == sorted(set(cursors))
    live.close()
    replayed.close()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("stream=nonsense", 400),
        ("stream=user:1", 400),
        ("stream=conversation:0", 400),
        ("&".join(f"stream=conversation:{n}" for n in range(1, 34)), 400),
        ("stream=account:1&stream=conversation:999", 404),
    ],
)
def test_one_stream_refused_refuses_the_request(ada, query, status):
    assert ada.get(f"/streams?{query}").status_code == status


def test_too_many_streams_of_one_user_are_429(app, ada, kevin):
    app.config["STREAMS_PER_USER"] = 2
    streams = [ada.stream(STREAM) for _ in range(2)]
    refused = ada.get(STREAM)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    streams.append(kevin.stream(STREAM))  # somebody else's
    streams.pop(0).close()
    eventually(lambda: app.extensions["engine"].hub.users[ada.id] == 1)
    streams.append(ada.stream(STREAM))
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(("format", "name"), [("turbo", "message"), ("html", "message.created")])
def test_fragments_are_escaped_and_ids_are_the_same(ada, format, name):
    plain, fragments = ada.stream(STREAM), ada.stream(f"{STREAM}?format={format}")
    plain.named("stream.open")
    fragments.named("stream.open")
    ada.send(1, "<script>alert(1)</script>\nsecond line")
    event = fragments.named(name)
    assert event.id == plain.named("message.created").id
    assert "<script>" not in event.data
    assert "&lt;script&gt;" in event.data
    assert event.data.startswith("<turbo-stream" if format == "turbo" else "<li")
    plain.close()
    fragments.close()


def test_a_hang_up_frees_the_subscriber_at_once(ada, hub):
    stream = ada.stream(STREAM)
    stream.named("stream.open")
    assert len(hub.hub) == 1
    stream.close()
    eventually(lambda: len(hub.hub) == 0)
    assert not hub.hub.users


def test_a_page_carries_the_cursor_from_before_its_data(ada):
    page = ada.page("/conversations/1").get_data(as_text=True)
    cursor = page.split('name="stream-cursor" content="')[1].split('"')[0]
    ada.send(1, "between the page and its stream")
    stream = Stream(ada.get(f"{STREAM}?last_event_id={cursor}"))
    stream.named("stream.open")
    said = envelope(stream.named("message.created"))
    assert said["data"]["content"] == "between the page and its stream"
    stream.close()
