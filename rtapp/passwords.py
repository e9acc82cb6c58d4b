"""Hashes of passwords, and the password of the demo."""

from unicodedata import normalize

import gevent
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

DEMO_PASSWORD = "password"  # noqa: S105 (printed at the start of a demo)
# Every user with the demo's password has this hash of it, so that a comparison of texts finds them
# all: production refuses them at each start, and a check of a hash takes 50 ms for each user.
DEMO_HASH = (
    "scrypt:32768:8:1$hRkySzrNKxvWvzqb$"
    "f8e67de264398cd8013147576114099b7ba45ef9353bf06f658012687155f15c"
    "5e13d4c27cb28848cf757bf3b2746351e10940650c9315daa832a514e2a4ff7f"
)


def hashed(password: str) -> str:
    """A salted hash of the password. It takes 50 ms by design.

    It is one of the composed form (NFC; RFC 8265, section 4.2.2): the same letters come decomposed
    from one keyboard and composed from another.
    """
    password = normalize("NFC", password)
    return DEMO_HASH if password == DEMO_PASSWORD else generate_password_hash(password)


def hashed_aside(password: str) -> str:
    """The same in a thread, while other requests and streams go on."""
    text: str = gevent.get_hub().threadpool.apply(hashed, (password,))
    return text


def matches(stored: str, password: str) -> bool:
    """Whether `stored` is the hash of the password, in whichever Unicode form it comes. A hash of
    an earlier version may be of the password as it came."""
    forms = dict.fromkeys((normalize("NFC", password), password))
    return any(check_password_hash(stored, form) for form in forms)
