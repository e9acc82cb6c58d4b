"""Through the public address: requests arrive as they were sent, and streams are not held back."""

import http.client
import ssl
from typing import Any

from flask import current_app

from rtapp.config import Settings

from . import proxies
from . import stream
from . import ticket
from . import worker
from .finding import Finding
from .visit import Place
from .visit import answer
from .visit import json_of

NAME = "public address"
# Of TEST-NET-1, which nobody has (RFC 5737): as a client that makes one up.
FORGED = "192.0.2.1"


def check() -> list[Finding]:
    settings: Settings = current_app.extensions["settings"]
    if settings.url is None:
        return [
            Finding(
                NAME, "warning", "RTAPP_URL is not set, so nothing was asked through it.",
                "Set RTAPP_URL to the address that browsers open, such as https://inbox.example.com.",
            )
        ]  # fmt: skip
    place = Place.of_url(settings.url)
    seen = arrived(place)
    if isinstance(seen, Finding):
        return [seen]
    return [
        Finding(NAME, "ok", f"{settings.url} leads here."),
        *worker.check(seen),
        *proxies.check(seen, settings, FORGED),
        *stream.check(place, Place.of_server(settings), settings.url),
    ]


def arrived(place: Place) -> dict[str, Any] | Finding:
    """How a request arrives, as `GET /doctor/seen` describes it; or why it does not."""
    code, _ = ticket.make()
    try:
        with answer(place, f"/doctor/seen?ticket={code}", X_Forwarded_For=FORGED) as response:
            if response.status == 200:
                return json_of(response)
            return refused(response.status)
    except ssl.SSLError as error:
        return Finding(
            NAME, "problem", f"The certificate is refused: {error.reason or 'no TLS'}.",
            "Renew it, and have the proxy send the whole chain.",
        )  # fmt: skip
    except TimeoutError:
        return Finding(
            NAME, "problem", "Nothing answers at RTAPP_URL in time.", "See the proxy's log."
        )
    except (OSError, http.client.HTTPException) as error:
        return Finding(
            NAME, "problem", f"RTAPP_URL can't be reached from here ({type(error).__name__}).",
            "Correct RTAPP_URL, the name's DNS entry, or the proxy.",
        )  # fmt: skip
    except (ValueError, RecursionError):
        return refused(200)


def refused(status: int) -> Finding:
    if status == 403:
        return Finding(
            NAME, "problem", "At RTAPP_URL a process answers that does not know this one's ticket.",
            "Give all processes one SECRET_KEY and the right time, or correct RTAPP_URL.",
        )  # fmt: skip
    if status in (502, 503, 504):
        return Finding(
            NAME, "problem", f"The proxy at RTAPP_URL does not reach rtapp ({status}).",
            "Start rtapp, and correct the address to which the proxy passes on.",
        )  # fmt: skip
    return Finding(
        NAME, "problem", f"Something else than rtapp answers at RTAPP_URL ({status}).",
        "Have the proxy pass every path on, unchanged; or correct RTAPP_URL.",
    )  # fmt: skip
