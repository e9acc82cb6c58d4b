import pytest
from httpx_sse._decoders import SSEDecoder

from rtapp.realtime import sse


def read(frames: bytes):
    """What the specification's algorithm makes of it, by a parser that is not ours."""
    decoder, events = SSEDecoder(), []
    for line in frames.decode().split("\n")[:-1]:
        event = decoder.decode(line)
        if event is not None:
            events.append(event)
    return events


@pytest.mark.parametrize(
    ("data", "arrives"),
    [
        ("", ""),
        ("one", "one"),
        (" leading space", " leading space"),
        (": colon", ": colon"),
        ("a\nb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("\n", "\n"),
        ("a\n\nb\n", "a\n\nb\n"),
        ("a\u2028b\u0085c\x0bd\x0ce", "a\u2028b\u0085c\x0bd\x0ce"),
        ("id: forged\n\ndata: forged", "id: forged\n\ndata: forged"),
        ("😀", "😀"),
    ],
)
def test_any_text_arrives_as_it_was(data, arrives):
    (event,) = read(sse.frame(data, "message.created", "e-1-0"))
    assert (event.data, event.event, event.id) == (arrives, "message.created", "e-1-0")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b"])
def test_names_and_ids_that_would_break_the_frame_are_refused(bad):
    with pytest.raises(ValueError, match="event must not"):
        sse.frame("x", bad)
    with pytest.raises(ValueError, match="id must not"):
        sse.frame("x", "event", bad)


def test_an_id_alone_moves_the_cursor_and_fires_nothing():
    assert sse.frame(None, id="e-1-0") == b"id: e-1-0\n\n"


def test_retry_is_digits():
    assert sse.retry(1500) == b"retry: 1500\n\n"
    with pytest.raises(ValueError, match="negative"):
        sse.retry(-1)
