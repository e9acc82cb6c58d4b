"""A stream through the public address is compared with one past it: does a probe come as soon?"""

import http.client
import json
import time
from typing import NamedTuple

from flask import current_app

from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import RedisError
from rtapp.realtime.broker import Topic

from . import ticket
from .finding import Finding
from .visit import PATIENCE
from .visit import Place
from .visit import answer
from .visit import wait_for

NAME = "stream"
ACCOUNT = 0  # of nobody: what is tried has no place in an account's logs
PROBES = 5  # of which the fastest counts, as the machine may be busy
LATE = 0.1  # s that a proxy may add
EVENT = "probe"
BUFFERS = (
    "Switch off what collects answers, for /streams at least. nginx: `proxy_buffering off`, no "
    "`proxy_ignore_headers X-Accel-Buffering`, `proxy_http_version 1.1`. HAProxy: no `option "
    "http-buffer-request`, no compression. Caddy: `flush_interval -1`, no `encode`. Apache: "
    "`flushpackets=on` at ProxyPass, `SetEnv no-gzip 1`. A CDN: no cache and no transformation."
)
DELAYS = (
    "nginx: `tcp_nodelay on`. HAProxy: `option http-no-delay`. Caddy: `flush_interval -1`. Apache: "
    "`flushpackets=on` at ProxyPass. Or the network to the public address is slow."
)
COMPRESSES = (
    "Compress no `text/event-stream`. nginx: `gzip off`. HAProxy: no `filter compression`. Caddy: "
    "no `encode` for /streams. Apache: `SetEnv no-gzip 1`."
)


class Measured(NamedTuple):
    """A stream that was tried. `seconds`: from the publication to the arrival of the fastest probe,
    None if none came in time. `failed`: why there was no stream. `coding`: what compresses it."""

    seconds: float | None = None
    failed: str = ""
    coding: str = ""


def topic_of(probe: str) -> Topic:
    return Topic(ACCOUNT, f"doctor:{probe}")


def check(public: Place, server: Place, url: str) -> list[Finding]:
    """Try a stream at each place."""
    through, past = measure(public), measure(server)
    findings = [compared(through, past, url)]
    if through.coding:
        sentence = f"Something before rtapp compresses streams ({through.coding})."
        findings.append(Finding("compression", "warning", sentence, COMPRESSES))
    return findings


def compared(through: Measured, past: Measured, url: str) -> Finding:
    if through.failed:
        return Finding(
            NAME, "problem", f"No stream can be opened through {url}: {through.failed}.",
            "Have the proxy pass /streams on, and see its log.",
        )  # fmt: skip
    if through.seconds is None:
        if past.seconds is None and not past.failed:
            return Finding(
                NAME, "problem", f"No event arrived within {PATIENCE:.0f} s, past the proxy "
                "neither.", "See the findings about Redis, and the log.",
            )  # fmt: skip
        beside = f", and after {ms(past.seconds)} past it" if past.seconds is not None else ""
        return Finding(
            NAME, "problem", "Something before rtapp holds the stream back: no event arrived "
            f"through {url} within {PATIENCE:.0f} s{beside}.", BUFFERS,
        )  # fmt: skip
    if past.seconds is None:
        return Finding(NAME, "ok", f"An event arrives through {url} after {ms(through.seconds)}.")
    sentence = (
        f"An event arrives through {url} after {ms(through.seconds)}, past it after "
        f"{ms(past.seconds)}."
    )
    if through.seconds - past.seconds > LATE:
        return Finding(NAME, "warning", sentence, DELAYS)
    return Finding(NAME, "ok", sentence)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def measure(place: Place) -> Measured:
    """Open a stream at `place`, and publish probes to it. Raises nothing."""
    compressed = attempt(place, "gzip, br")  # as browsers ask
    if not compressed.coding:
        return compressed
    return attempt(place, "identity")._replace(coding=compressed.coding)


def attempt(place: Place, accepted: str) -> Measured:
    broker: Broker = current_app.extensions["broker"].for_requests
    code, probe = ticket.make()
    topic = topic_of(probe)
    try:
        path = f"/streams/doctor?ticket={code}"
        with answer(place, path, Accept="text/event-stream", Accept_Encoding=accepted) as response:
            if response.status != 200:
                return Measured(failed=f"it is answered {response.status}")
            coding = response.headers.get("Content-Encoding", "identity").lower()
            if coding != "identity":
                return Measured(coding=coding)
            wait_for(response, b"stream.open")
            return Measured(min(one_probe(broker, topic, response) for _ in range(PROBES)))
    except TimeoutError:
        return Measured()
    except (OSError, EOFError, http.client.HTTPException, RedisError) as error:
        return Measured(failed=f"{type(error).__name__}")
    finally:
        forget(broker, topic)


def one_probe(broker: Broker, topic: Topic, response: http.client.HTTPResponse) -> float:
    """Publish a probe, and return the seconds until it arrives. Raises TimeoutError."""
    key, body = f"{topic.name}:{time.monotonic_ns()}", json.dumps({"event": EVENT})
    began = time.monotonic()
    broker.publish(topic.account_id, key, EVENT, [(topic.name, body)])
    wait_for(response, EVENT.encode())
    return time.monotonic() - began


def forget(broker: Broker, topic: Topic) -> None:
    try:
        broker.redis.delete(topic.channel)
    except (RedisError, OSError):
        pass
