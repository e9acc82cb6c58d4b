"""Where a request ends: on a connection, the next one begins there (RFC 9112, sections 5 and 6).

pywsgi accepts what a proxy in front of it may read differently. A client could then have the proxy
pass on a request that the proxy has not seen (request smuggling). Such a request is refused.
"""

import re
from email import errors
from http.client import HTTPMessage
from typing import Any

LENGTH = re.compile(r"[0-9]{1,18}")
OPTIONAL_SPACE = " \t"
# Of a line among the headers that is none. Other defects are of a multipart body that it lacks.
NO_HEADER = (
    errors.FirstHeaderLineIsContinuationDefect,
    errors.InvalidHeaderDefect,
    errors.MisplacedEnvelopeHeaderDefect,
    errors.MissingHeaderBodySeparatorDefect,
)


class UncertainEnd(ValueError):
    """Two readers of the request could take different bytes as its end."""


class HeaderLines:
    """The lines of a request's headers. A carriage return is a part of a line's end only: Python's
    parser would begin a new line at each (RFC 9112, section 2.2)."""

    def __init__(self, file: Any):
        self._file = file

    def readline(self, limit: int) -> bytes:
        """The next line. Raises UncertainEnd."""
        line: bytes = self._file.readline(limit)
        if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
            raise UncertainEnd
        return line


def refuse_uncertain_end(headers: HTTPMessage, version: str | None) -> None:
    """Raises UncertainEnd for a header that is none (`Content-Length : 5`), which the parser drops
    with those after it; for another coding than `chunked`, or one that HTTP/1.0 does not have; and
    for a length that comes twice, beside a coding, or not in digits."""
    lengths = headers.get_all("content-length", [])
    codings = headers.get_all("transfer-encoding", [])
    wrong = any(isinstance(defect, NO_HEADER) for defect in headers.defects)
    if wrong or len(lengths) + len(codings) > 1:
        raise UncertainEnd
    if not all(LENGTH.fullmatch(length.strip(OPTIONAL_SPACE)) for length in lengths):
        raise UncertainEnd
    chunked = all(coding.strip(OPTIONAL_SPACE).lower() == "chunked" for coding in codings)
    if codings and not (chunked and version == "HTTP/1.1"):
        raise UncertainEnd
