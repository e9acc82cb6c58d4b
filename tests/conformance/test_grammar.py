"""The frames against the event stream's grammar, and as the clients read them.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import json
import re

import hypothesis.strategies as st
import pytest
from httpx_sse._decoders import SSEDecoder
from httpx_sse._decoders import SSELineDecoder
from hypothesis import given

from rtapp.events import catalogue
from rtapp.realtime import frames
from rtapp.realtime import sse
from rtapp.realtime.broker import Message
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.frames import CLOSINGS

from .cases import CASES
from .cases import UNNAMED
from .cases import Case
from .conftest import CLIENTS
from .readers import Failed
from .readers import Fired

# The grammar's `event`, restricted to fields with one space after the colon, and LF as line end.
FRAME = re.compile(
    rb"(?:retry: [0-9]+\n)?(?:id: [^\r\n\0]*\n)?(?:event: [^\r\n\0]*\n)?(?:data: [^\r\n]*\n)*\n"
)
CURSOR = re.compile(r"[A-Za-z0-9.-]{1,48}")

AT = Cursor("0badcafe", 1790000000000, 999_999_999)
END = sse.frame("", "end")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n :\0\ufeff\u2028"))


def id_of(number: int) -> str:
    return f"e-1-{number}"


def name_of(case: Case) -> str:
    return case.type


@pytest.fixture(scope="session")
def read_by(request, raw_server):
    """A function that returns a client's events for all cases on one stream."""
    events: dict[str, list[Fired]] = {}

    def read(client: str) -> list[Fired]:
        if client not in events:
            stream = b"".join(
                sse.frame(case.data, case.name, id_of(n)) for n, case in enumerate(CASES)
            )
            url = raw_server.stream(stream + END)
            names = [name_of(case) for case in CASES] + ["end", "forged"]
            source = request.getfixturevalue(client).open(url, names)
            events[client] = source.until("end")
            source.close()
        return events[client]

    return read


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.about for case in CASES])
@pytest.mark.parametrize("client", CLIENTS)
def test_any_data_arrives_as_one_event_in_every_client(read_by, client, number):
    case, id = CASES[number], id_of(number)
    # Compared by id. The last frame has none, so that an event forged by the data is found.
    arrived = [event for event in read_by(client) if event.id == id and event.type != "end"]
    assert len(arrived) == 1
    assert arrived[0].type == name_of(case)
    assert arrived[0].data == case.arrives


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_fires_no_event_beyond_the_sent_ones(read_by, client):
    assert [event.id for event in read_by(client)[:-1]] == [id_of(n) for n in range(len(CASES))]


@pytest.mark.parametrize("case", CASES, ids=[case.about for case in CASES])
def test_a_frame_of_any_data_matches_the_grammar(case):
    assert FRAME.fullmatch(sse.frame(case.data, case.name, "e-1-0"))


@given(data=TEXTS, name=TEXTS, cuts=st.lists(st.integers(1, 50), max_size=5))
def test_any_text_in_any_chunks_is_decoded_or_refused_with_value_error(data, name, cuts):
    try:
        text = (sse.frame(data, name, "e-1-0") + END).decode()
    except ValueError:
        assert re.search("[\r\n\0]", name)
        return
    lines, decoder, events = SSELineDecoder(), SSEDecoder(), []
    for cut in [*cuts, len(text)]:
        piece, text = text[:cut], text[cut:]
        for line in lines.decode(piece) if piece else ():
            events.append(decoder.decode(line))
    first, end = [event for event in events if event is not None]
    assert first.data == re.sub("\r\n|\r", "\n", data)
    assert (first.event, first.id) == (name or "message", "e-1-0")
    assert end.event == "end"


@pytest.mark.parametrize("bad", ["\r", "\n", "\r\n", "\0"])
@pytest.mark.parametrize("place", ["{}a", "a{}", "a{}data: forged"])
def test_an_event_name_or_id_with_a_line_end_or_nul_is_refused(bad, place):
    with pytest.raises(ValueError, match="event must not"):
        sse.frame("x", place.format(bad))
    with pytest.raises(ValueError, match="id must not"):
        sse.frame("x", "event", place.format(bad))
    with pytest.raises(ValueError, match="id must not"):
        sse.frame(None, None, place.format(bad))


def test_a_lone_surrogate_in_data_is_refused():
    """UTF-8 can't encode it, and it must not be replaced."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        sse.frame("\ud83d")


@pytest.mark.parametrize("client", ["chromium", "chromium_fetch", "node_fetch"])
def test_a_frame_of_an_id_alone_advances_the_last_event_id_and_fires_nothing(
    request, client, raw_server
):
    url = raw_server.stream(sse.frame("x", None, "e-1-0") + sse.frame(None, None, "e-1-1") + END)
    source = request.getfixturevalue(client).open(url, ["end"])
    assert source.next() == ("message", "x", "e-1-0")
    assert source.next() == ("end", "", "e-1-1")
    source.close()


def test_a_frame_of_an_id_alone_fires_nothing_in_node(node, raw_server):
    """Against the standard, its last event id does not advance."""
    url = raw_server.stream(sse.frame("x", None, "e-1-0") + sse.frame(None, None, "e-1-1") + END)
    source = node.open(url, ["end"])
    assert source.next() == ("message", "x", "e-1-0")
    assert source.next().type == "end"
    source.close()


def test_a_frame_of_an_id_alone_advances_the_last_event_id_of_httpx_sse(httpx_sse, raw_server):
    url = raw_server.stream(sse.frame("x", None, "e-1-0") + sse.frame(None, None, "e-1-1") + END)
    source = httpx_sse.open(url)
    assert [event.id for event in source.until("end")] == ["e-1-0", "e-1-1", "e-1-1"]
    source.close()


def test_a_client_reconnects_after_retry_with_the_last_complete_events_id(event_source, raw_server):
    """An unfinished last event is dropped, together with its id."""
    unfinished = sse.frame("lost", "x", "e-1-2")[:-1]
    url = raw_server.stream(
        sse.frame("kept", "x", "e-1-1", retry=100) + unfinished, sse.frame("again", "x") + END
    )
    source = event_source.open(url, ["x", "end"])
    assert [event.data for event in source.until("end")] == ["kept", "again", ""]
    source.close()
    first, second = raw_server.requests(url)
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "e-1-1"
    assert 0.09 < second.at - first.at < 2.5  # the clients' default is three seconds


def test_no_event_is_named_like_an_event_of_event_source():
    """An EventSource fires `open` and `error` by itself: an event so named would confuse a page."""
    names = [
        *catalogue.DURABLE,
        *catalogue.EPHEMERAL,
        "stream.open",
        "stream.ping",
        "stream.reset",
        "stream.closed",
    ]
    assert not {"open", "error", "message"} & set(names)
    assert all(re.fullmatch(r"[a-z_.]+", name) for name in names)


# The hub's own frames


def control_frames() -> dict[str, bytes]:
    return {
        "stream.open": frames.opened(("account:1", "conversation:2"), True, AT, 1800),
        "stream.ping": frames.ping(1.23456, AT),
        "stream.ping without id": frames.ping(20),
        "stream.reset": frames.reset("history_lost", AT),
        **{f"stream.closed {reason}": frames.closed(reason) for reason in CLOSINGS},
    }


@pytest.mark.parametrize("name", control_frames())
def test_a_control_frame_matches_the_grammar_and_has_json_data(name):
    frame = control_frames()[name]
    assert FRAME.fullmatch(frame)
    fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if line)
    assert fields[b"event"].decode() == name.split()[0]
    assert isinstance(json.loads(fields[b"data"]), dict)
    if b"id" in fields:
        assert CURSOR.fullmatch(fields[b"id"].decode())


def test_control_frames_arrive_in_order_with_their_ids(reader, raw_server):
    url = raw_server.stream(b"".join(control_frames().values()) + END)
    names = sorted({name.split()[0] for name in control_frames()})
    source = reader.open(url, [*names, "end"])
    arrived = source.until("end")
    assert [event.type for event in arrived] == [
        *(name.split()[0] for name in control_frames()), "end"
    ]  # fmt: skip
    with_id = [b"\nid: " in b"\n" + frame for frame in control_frames().values()]
    assert {event.id for event, has in zip(arrived, with_id, strict=False) if has} == {str(AT)}
    assert all(isinstance(json.loads(event.data), dict) for event in arrived[:-1])
    source.close()


@pytest.mark.parametrize("reason", CLOSINGS)
def test_stream_closed_has_a_retry_exactly_if_its_reason_asks_to_reconnect(reason):
    assert frames.closed(reason).startswith(b"retry: ") is CLOSINGS[reason].reconnect


def test_a_stream_begins_with_retry_and_without_a_byte_order_mark():
    """Browsers would skip the mark; other clients would take it for part of the field's name."""
    assert control_frames()["stream.open"].startswith(b"retry: ")


def test_every_retry_is_a_field_of_an_event_with_data():
    """httpx-sse fires an empty event for a block of `retry` alone; other clients drop the value."""
    with_retry = [frame for frame in control_frames().values() if b"retry: " in frame]
    assert len(with_retry) == 1 + sum(closing.reconnect for closing in CLOSINGS.values())
    assert all(b"\ndata: " in frame for frame in with_retry)


def test_a_shutdown_asks_for_a_delay_longer_than_a_start_takes():
    delays = [json.loads(frames.closed("shutdown").split(b"data: ")[1])["retry_after"]
              for _ in range(1_000)]  # fmt: skip
    assert 4_000 <= min(delays) < max(delays) <= 8_000


# Messages in each format


def message_of(content: str) -> Message:
    data = {
        "id": 1, "conversation_id": 1, "account_id": 1, "message_type": "outgoing",
        "private": False, "content": content,
        "sender": {"type": "user", "id": 1, "name": "Ada"}, "client_id": None,
        "created_at": "2026-11-23T12:00:00Z", "updated_at": "2026-11-23T12:00:00Z",
        "edited_at": None, "edited_by": None, "attachments": [], "version": 1,
    }  # fmt: skip
    envelope = {
        "event": "message.created",
        "stream": "conversation:1",
        "timestamp": 1790000000,
        "data": catalogue.checked("message.created", data),
    }
    return Message(AT, (0, 0), "message.created", catalogue.encode(envelope).encode())


def render(format: str, event: str, body: bytes) -> str:
    return json.loads(body)["data"]["content"]


@pytest.mark.parametrize("case", CASES, ids=[case.about for case in CASES])
@pytest.mark.parametrize("format", frames.FORMATS)
def test_a_message_of_any_content_is_one_frame_in_every_format(format, case):
    cursor, frame = frames.Frames(render).message(message_of(case.data), format)
    assert cursor == AT
    assert FRAME.fullmatch(frame)
    assert frame.count(b"event: message.created\n") == (format not in UNNAMED)


def test_a_message_of_any_content_arrives_in_every_client_as_json(reader, raw_server):
    renderer = frames.Frames(render)
    stream = b"".join(renderer.message(message_of(case.data), "json")[1] for case in CASES)
    source = reader.open(raw_server.stream(stream + END), ["message.created", "end"])
    for case, event in zip(CASES, source.until("end")[:-1], strict=True):
        data = json.loads(event.data)["data"]
        if len(case.data.encode()) <= catalogue.SIZE_LIMIT / 2:
            assert data["content"] == case.data
            assert "truncated" not in data
        else:
            assert data["truncated"] is True
            assert case.data.startswith(data["content"])
            assert len(event.data.encode()) < catalogue.SIZE_LIMIT + 512
            assert len(data["content"].encode()) > catalogue.SIZE_LIMIT / 2
    source.close()


@pytest.mark.parametrize("format", ["html", *UNNAMED])
def test_an_event_without_a_rendering_has_no_data_and_without_names_is_an_id_alone(format):
    _, frame = frames.Frames(lambda *_: None).message(message_of("x"), format)
    assert b"data" not in frame
    if format in UNNAMED:
        assert frame == f"id: {AT}\n\n".encode()


def test_a_client_reconnects_after_a_clean_end_of_the_stream(event_source, raw_server):
    url = raw_server.stream(sse.frame("x", retry=50), END)
    source = event_source.open(url, ["end"])
    assert source.next().data == "x"
    lost = source.anything()
    assert isinstance(lost, Failed)
    assert not lost.for_good
    assert source.next().type == "end"
    source.close()
