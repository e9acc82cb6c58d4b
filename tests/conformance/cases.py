"""Data of events, and the result that every client must give for it."""

from typing import NamedTuple

UNNAMED = ("htmx", "turbo")  # the formats whose events have no name, and so the type `message`


class Case(NamedTuple):
    """A frame of `data` and `name`. A client must fire `type` with `arrives`."""

    about: str
    data: str
    arrives: str
    name: str | None = "message.created"

    @property
    def type(self) -> str:
        return self.name or "message"


def kept(about: str, data: str, name: str | None = "message.created") -> Case:
    return Case(about, data, data, name)


CASES = [
    # "If the data buffer is an empty string […] return": but `data:` alone makes it a line end.
    kept("empty data", ""),
    kept("one line", "one line"),
    # "Lines must be separated by either CRLF, LF or CR", and the client joins them with LF.
    kept("LF", "a\nb"),
    Case("CR", "a\rb", "a\nb"),
    Case("CRLF", "a\r\nb", "a\nb"),
    Case("LF CR is two ends", "a\n\rb", "a\n\nb"),
    Case("all three", "a\nb\rc\r\nd", "a\nb\nc\nd"),
    kept("a line end alone", "\n"),
    kept("two line ends alone", "\n\n"),
    kept("a line end first", "\na"),
    kept("a line end last", "a\n"),
    Case("CR last", "a\r", "a\n"),
    kept("empty lines within", "a\n\n\nb"),
    # Only these three end a line.
    kept("line separator U+2028", "a\u2028b"),
    kept("paragraph separator U+2029", "a\u2029b"),
    kept("next line U+0085", "a\u0085b"),
    kept("vertical tab", "a\x0bb"),
    kept("form feed", "a\x0cb"),
    kept("file, group and record separators", "a\x1cb\x1dc\x1ed"),
    # "If value starts with a U+0020 SPACE character, remove it": one, and only that.
    kept("a leading space", " a"),
    kept("leading spaces on each line", "  a\n   b"),
    kept("nothing but spaces", "   "),
    kept("a leading tab", "\ta"),
    kept("a no-break space", "\u00a0a"),
    kept("trailing spaces", "a  "),
    # "If the line starts with a colon, ignore the line", and the first colon ends the field's name.
    kept("a leading colon", ": a"),
    kept("colons", "a: b:c"),
    kept("a comment on a later line", "a\n: b"),
    kept("fields in the data", "id: forged\nevent: forged\nretry: 1\ndata: forged"),
    kept("an event in the data", "a\n\nevent: forged\ndata: forged\n\n"),
    Case("an event in the data, by CR", "a\r\revent: forged\r\r", "a\n\nevent: forged\n\n"),
    # "One leading U+FEFF BYTE ORDER MARK character must be ignored": at the stream's start only.
    kept("a byte order mark", "\ufeffa"),
    kept("NUL", "a\x00b"),
    kept(
        "every other control character", "".join(map(chr, range(1, 32))).translate({10: 0, 13: 0})
    ),
    kept("DEL and the C1 controls", "".join(map(chr, range(0x7F, 0xA0)))),
    kept("beyond the Basic Multilingual Plane", "😀 𝒳 👩‍👩‍👧"),
    kept("the last code point", "\U0010ffff"),
    kept("noncharacters and the replacement", "\ufffe\uffff\ufffd"),
    kept("combining marks stay as they are", "e\u0301 é"),
    kept("right to left", "\u202eabc\u202c שלום"),
    kept("a megabyte in one line", "é" * 512 * 1024),
    kept("a megabyte in many lines", "0123456789abcde\n" * 64 * 1024),
    # "If the event type buffer is not the empty string, [use it]": else it is a `message`.
    kept("no name", "a", None),
    kept("an empty name", "a", ""),
    kept("a name with a leading space", "a", " spaced"),
    kept("a name with a colon", "a", "a:b"),
    kept("a name beyond ASCII", "a", "é.😀"),
    kept("a control event's name", "a", "stream.open"),
]
