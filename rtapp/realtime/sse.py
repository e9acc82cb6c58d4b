"""Encode Server-Sent Events. Pure: text in, bytes out.

Grammar: WHATWG HTML, "9.2.5 Parsing an event stream" and "9.2.6 Interpreting an event stream".
"""

import re

# "Lines must be separated by either a U+000D U+000A pair, a single U+000A, or a single U+000D."
# Nothing else: str.splitlines() would also split on U+2028, U+0085, VT and FF.
LINE_END = re.compile(r"\r\n|\r|\n")
UNSAFE_IN_FIELD = re.compile(r"[\r\n\x00]")


def frame(
    data: str | None, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """Return one event as UTF-8 bytes, blank line included.

    `data` may hold any text; None writes no data field, so that no event fires but the last event
    id still moves. `retry` is the reconnection time in ms, "only ASCII digits" (9.2.6): a field of
    an event, because some clients take it for an event of its own where it is alone. Raises
    ValueError if `event` or `id` holds CR, LF or NUL, which would end the field early or have the
    id ignored, and if `retry` is negative.
    """
    lines = []
    if retry is not None:
        if retry < 0:
            raise ValueError(f"retry must not be negative, got {retry}")
        lines.append(f"retry: {retry}")
    if id is not None:
        lines.append(f"id: {one_line('id', id)}")
    if event is not None:
        lines.append(f"event: {one_line('event', event)}")
    if data is not None:
        # "If value starts with a U+0020 SPACE character, remove it": ours is always that one.
        lines.extend(f"data: {line}" for line in LINE_END.split(data))
    return ("\n".join(lines) + "\n\n").encode()


def one_line(field: str, value: str) -> str:
    if UNSAFE_IN_FIELD.search(value):
        raise ValueError(f"{field} must not contain CR, LF or NUL: {value!r}")
    return value
