"""Content codings: the bytes of a file in each, made once and kept in memory.

For files that are the same for all users only: the length of a compressed page would give away the
CSRF token in it to a site that can have it repeat a guess (BREACH, https://breachattack.com).
"""

import gzip
from collections.abc import Callable
from functools import lru_cache
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import brotli
from werkzeug.datastructures import Accept

IDENTITY = "identity"

# From the best to the worst. gzip has no time in its head: all hosts make the same bytes.
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "br": partial(brotli.compress, mode=brotli.MODE_TEXT, quality=11),
    "gzip": partial(gzip.compress, compresslevel=9, mtime=0),
    IDENTITY: bytes,
}


class Representation(NamedTuple):
    """A body in one coding. `etag` is strong, so it differs from coding to coding (RFC 9110,
    section 8.8.3.3)."""

    body: bytes
    etag: str


def best(accepted: Accept) -> str:
    """The coding that a client weighs highest, ours first among equals (RFC 9110, section 12.5.3).

    The identity if it accepts none of them, even if it refuses that too: an answer that it may not
    be able to read is of more use than a 406.
    """
    coding = max(CODERS, key=accepted.quality)
    return coding if accepted.quality(coding) > 0 else IDENTITY


@lru_cache(maxsize=512)  # all files in all codings, and those of some edits before
def represented(body: bytes, coding: str) -> Representation:
    """The body in a coding of `CODERS`. Compressing takes up to 1.5 ms of processor a kilobyte."""
    coded = CODERS[coding](body)
    return Representation(coded, sha256(coded).hexdigest()[:32])
