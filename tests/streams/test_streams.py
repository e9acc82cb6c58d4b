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
def test_a_bad_stream_parameter_is_400(ada, query):
    answer = ada.get(f"{STREAM}?{query}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_malformed_last_event_id_header_is_400(ada):
    assert ada.get(STREAM, Last_Event_ID="x y").status_code == 400


def test_a_stream_asked_for_another_user_than_the_signed_in_one_is_401(ada, kevin):
    for path in (STREAM, "/streams?stream=conversation:1", "/streams/accounts/1/presence"):
        url = f"{path}{'&' if '?' in path else '?'}user="
        for user in (kevin.id, "", "x"):
            refused = ada.get(f"{url}{user}")
            assert (refused.status_code, refused.content_type) == (401, "application/problem+json")
        ada.stream(f"{url}{ada.id}").close()


def test_a_stream_has_the_response_headers_of_the_protocol(ada):
    answer = ada.get(STREAM)
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    answer.close()


def test_a_cursor_of_another_epoch_is_reset_and_the_stream_continues_live(ada):
    stream = ada.stream(f"{STREAM}?last_event_id=other-1790000000000-0")
    opened = stream.named("stream.open")
    assert envelope(opened)["resumed"] is False
    reset = stream.named("stream.reset")
    assert envelope(reset) == {"reason": "unknown_cursor", "id": reset.id}
    assert envelope(opened)["id"] == opened.id
    assert opened.id == "other-1790000000000-0"  # a client cut off here is reset again
    assert reset.id != opened.id
    ada.send(1, "afterwards")
    assert envelope(stream.named("message.created"))["data"]["content"] == "afterwards"
    stream.close()


def test_missed_events_are_replayed_and_the_header_cursor_wins_over_the_query(ada):
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
    replayed = [envelope(again.named("message.created"))["data"]["content"] for _ in range(2)]
    assert replayed == ["second", "third"]
    again.close()


def test_a_cursor_older_than_the_logs_retention_is_reset(ada, broker):
    old = broker.position(1)._replace(ms=broker.now_ms() - 25 * 3600 * 1000)
    stream = ada.stream(f"{STREAM}?last_event_id={old}")
    stream.named("stream.open")
    assert envelope(stream.named("stream.reset"))["reason"] == "history_lost"
    stream.close()


def test_a_cursor_before_the_trimmed_part_of_a_log_is_reset_without_a_partial_replay(ada, broker):
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


def test_several_streams_on_one_connection_are_replayed_in_the_order_of_live_delivery(ada, broker):
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
    events = [live.next() for _ in range(8)]
    replayed = ada.stream(f"{path}&last_event_id={start}")
    replayed.named("stream.open")
    assert [replayed.next().id for _ in range(8)] == [event.id for event in events]
    cursors = [Cursor.parse(event.id) for event in events]
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
    ids=[
        "no stream",
        "an unknown name",
        "an unknown kind",
        "an id of 0",
        "33 streams",
        "an unknown conversation",
    ],
)
def test_one_refused_stream_refuses_the_request_for_several(ada, query, status):
    assert ada.get(f"/streams?{query}").status_code == status


def test_more_streams_than_the_limit_of_one_user_are_refused_with_429(app, ada, kevin):
    app.config["STREAMS_PER_USER"] = 2
    streams = [ada.stream(STREAM) for _ in range(2)]
    refused = ada.get(STREAM)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    streams.append(kevin.stream(STREAM))  # of another user
    streams.pop(0).close()
    eventually(lambda: app.extensions["engine"].stream_counts.own(f"user:{ada.id}") == 1)
    streams.append(ada.stream(STREAM))
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(
    ("format", "name", "begin"),
    [
        ("turbo", "message", "<turbo-stream "),
        ("htmx", "message", "<hx-partial "),
        ("html", "message.created", "<li "),
    ],
)
def test_fragments_are_escaped_and_have_the_event_ids_of_the_json_format(ada, format, name, begin):
    plain, fragments = ada.stream(STREAM), ada.stream(f"{STREAM}?format={format}")
    plain.named("stream.open")
    fragments.named("stream.open")
    ada.send(1, "<script>alert(1)</script>\nsecond line")
    event = fragments.named(name)
    assert event.id == plain.named("message.created").id
    assert "<script>" not in event.data
    assert "&lt;script&gt;" in event.data
    assert event.data.startswith(begin)
    plain.close()
    fragments.close()


def test_a_closed_connection_removes_its_subscriber_from_the_hub(ada, engine):
    stream = ada.stream(STREAM)
    stream.named("stream.open")
    assert len(engine.hub) == 1
    stream.close()
    eventually(lambda: len(engine.hub) == 0)
    assert not engine.stream_counts


def test_a_stream_opened_with_a_pages_cursor_receives_the_events_since_the_page(ada):
    page = ada.page("/conversations/1").get_data(as_text=True)
    cursor = page.split('name="stream-cursor" content="')[1].split('"')[0]
    ada.send(1, "between the page and its stream")
    stream = Stream(ada.get(f"{STREAM}?last_event_id={cursor}"))
    stream.named("stream.open")
    body = envelope(stream.named("message.created"))
    assert body["data"]["content"] == "between the page and its stream"
    stream.close()
