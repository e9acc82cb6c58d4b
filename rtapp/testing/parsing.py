"""The one place where our tests read an event stream, by a decoder that is not ours (httpx-sse)."""

import codecs
from typing import NamedTuple

from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder

FIELDS = {"id", "event", "data", "retry"}


class Frame(NamedTuple):
    """An event as the decoder gives it. `id` is the frame's own, empty if it has none."""

    event: ServerSentEvent
    id: str

    @property
    def fires(self) -> bool:
        """Whether a client's listener is called: a frame of `id` or `retry` alone fires nothing."""
        return bool(self.event.data)


class StreamParser:
    """Takes a stream in any pieces. Lines end in LF, as ours do.

    `unexpected` are lines of fields that the protocol does not have.
    """

    def __init__(self) -> None:
        self.unexpected: list[str] = []
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._decoder = SSEDecoder()
        self._rest = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that this piece completes."""
        *lines, self._rest = (self._rest + self._text.decode(chunk)).split("\n")
        frames: list[Frame] = []
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self._id = value
            elif line and name not in FIELDS:
                self.unexpected.append(line)
            event = self._decoder.decode(line)
            if event is not None:
                frames.append(Frame(event, self._id))
            if not line:
                self._id = ""
        return frames
