"""One request to a push service (RFC 8030), with a body that only the browser reads (RFC 8291)."""

from collections.abc import Collection
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPConnection
from http.client import HTTPException
from typing import Literal
from typing import NamedTuple

import gevent
from py_vapid import Vapid02

from rtapp import clock
from rtapp.push_endpoint import RefusedEndpoint
from rtapp.push_endpoint import connect
from rtapp.push_endpoint import split

LIMIT = 10  # s for one request, from the look-up of the host to the answer
SIGNED_FOR = 12 * 60 * 60  # s; a day at most (RFC 8292, section 2)
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)  # RFC 8030, section 7.3

Result = Literal["sent", "gone", "later", "refused", "blocked"]


class Browser(NamedTuple):
    """A subscription's endpoint and keys."""

    endpoint: str
    p256dh: str
    auth: str

    @property
    def host(self) -> str:
        """All of the endpoint that a log may have."""
        return split(self.endpoint).hostname or ""


class Outcome(NamedTuple):
    """`gone`: the browser has unsubscribed. `later`: worth another attempt, not before
    `retry_after` s. `refused`: by the push service; `blocked`: by us. `why` names no URL."""

    result: Result
    why: str = ""
    retry_after: float = 0


class Identity(NamedTuple):
    """What push services know this server by: see config.py."""

    private_key: str
    subject: str

    def authorization(self, endpoint: str) -> str:
        """The header's value for the endpoint's origin."""
        parts = split(endpoint)
        signer = Vapid02.from_raw(self.private_key.encode())
        signer.conf = {"no-strict": True}  # the subject was checked at the start
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(clock.now().timestamp()) + SIGNED_FOR,
            "sub": self.subject,
        }
        header: str = signer.sign(claims)["Authorization"]
        return header


def deliver(
    browser: Browser,
    payload: bytes,
    identity: Identity,
    *,
    topic: str,
    ttl: int,
    own_hosts: Collection[str] = (),
) -> Outcome:
    """Send `payload`, which takes the place of an undelivered one of the same `topic`, to be kept
    for `ttl` s while the browser is away. Takes LIMIT s at most."""
    limit = gevent.Timeout(LIMIT)
    try:
        with limit:
            headers = {
                "Authorization": identity.authorization(browser.endpoint),
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(ttl),
                "Topic": topic,
                "Urgency": "high",
            }
            return post(browser, encrypted(browser, payload), headers, own_hosts)
    except RefusedEndpoint as error:
        return Outcome("blocked", f"its endpoint {error}")
    except (OSError, HTTPException) as error:
        return Outcome("later", f"it can't be reached ({type(error).__name__})")
    except gevent.Timeout as error:
        if error is not limit:
            raise
        return Outcome("later", f"it did not answer within {LIMIT} s")


def encrypted(browser: Browser, payload: bytes) -> bytes:
    from pywebpush import WebPusher  # see load()

    keys = {"p256dh": browser.p256dh, "auth": browser.auth}
    body: bytes = WebPusher({"endpoint": browser.endpoint, "keys": keys}).encode(payload)["body"]
    return body


def load() -> None:
    """Import what encrypts: with its HTTP clients, which are not used here, that takes a second in
    which no stream is served. So it is done at the start, and only where push is set up."""
    import pywebpush  # noqa: F401


def post(
    browser: Browser, body: bytes, headers: dict[str, str], own_hosts: Collection[str]
) -> Outcome:
    parts = split(browser.endpoint)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = connect(browser.endpoint, own_hosts, LIMIT)
    try:
        connection.request("POST", target, body, headers)
        return outcome(connection)
    finally:
        connection.close()


def outcome(connection: HTTPConnection) -> Outcome:
    """The meaning of the answer's head. Its body may be endless, and is not read."""
    answer = connection.getresponse()
    why = f"it answered {answer.status}"
    if 200 <= answer.status < 300:
        return Outcome("sent")
    if answer.status in GONE:
        return Outcome("gone", why)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= 500:
        return Outcome("later", why, seconds(answer.headers["Retry-After"]))
    return Outcome("refused", why)  # a redirect too: nothing is sent to where it leads


def seconds(retry_after: str | None) -> float:
    """The seconds of Retry-After: a number, or a date (RFC 9110, section 10.2.3). 0 without."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return 0
