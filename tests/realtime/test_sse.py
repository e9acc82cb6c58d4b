import pytest
from httpx_sse._decoders import SSEDecoder

from rtapp.realtime import sse


def read(frames: bytes):
    """Parse by the specification's algorithm, with a third-party parser."""
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
def test_any_text_in_a_frame_arrives_with_line_ends_as_lf(data, arrives):
    (event,) = read(sse.frame(data, "message.created", "e-1-0"))
    assert (event.data, event.event, event.id) == (arrives, "message.created", "e-1-0")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b"])
def test_an_sse_name_or_id_that_would_break_the_frame_is_refused(bad):
    with pytest.raises(ValueError, match="event must not"):
        sse.frame("x", bad)
    with pytest.raises(ValueError, match="id must not"):
        sse.frame("x", "event", bad)


def test_a_frame_without_data_is_the_id_line_alone():
    assert sse.frame(None, id="e-1-0") == b"id: e-1-0\n\n"


def test_retry_is_digits_and_a_negative_retry_is_refused():
    assert sse.frame("x", retry=1500) == b"retry: 1500\ndata: x\n\n"
    with pytest.raises(ValueError, match="negative"):
        sse.frame("x", retry=-1)
