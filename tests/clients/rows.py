"""The rows of the table in docs/clients.md: each client's example, and what it must do."""

import re
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).parents[2] / "docs/clients.md"
RESUMING = ("EventSource", "js", 0)  # the block that pages import as /resuming.js

OPENS = "opens"
AT_ONCE = "yes"
RESUMES = "resumes"
MISSES = "returns, misses messages"
STOPS = "stops"
GIVES_UP = "gives up"
ENDS = "ends"
ASKS_ONCE = "asks once"
FOR_EVER = "asks for ever"
CHECKS = ("502 first", "at once", "drain", "crash", "502 later", "signed out")

# Page expressions: whether the client has ended for good.
CLOSED = "sources.length > 0 && sources.every((source) => source.readyState === 2)"
REMOVED = "document.querySelector('[hx-sse\\\\:connect]') === null"
SWAPPED = "document.querySelector('[hx-sse\\\\:connect]').textContent.includes('Oh no')"
SHOWN = "document.getElementById('state').textContent === 'ended'"


class Row(NamedTuple):
    """`heading`, `language`, `number`: its block in the document. `runner`: what executes it.

    `opening`, `drain`, `crash`, `bad_gateway`, `signed_out`: the results of these checks. `ended`:
    a page's expression. `replaced`: a text of the example, and what stands there instead.
    """

    name: str
    runner: str
    heading: str
    language: str
    number: int
    opening: str = OPENS
    drain: str = RESUMES
    crash: str = RESUMES
    bad_gateway: str = RESUMES
    signed_out: str = ENDS
    ended: str = CLOSED
    replaced: tuple[str, str] = ("", "")

    @property
    def results(self) -> dict[str, str]:
        values = (self.opening, AT_ONCE, self.drain, self.crash, self.bad_gateway, self.signed_out)
        return dict(zip(CHECKS, values, strict=True))

    @property
    def text(self) -> str:
        text = block(self.heading, self.language, self.number)
        assert self.replaced[0] in text
        return text.replace(*self.replaced) if self.replaced[0] else text


def block(heading: str, language: str, number: int) -> str:
    """Return the text of a block of code below a heading of the document."""
    section = re.split(rf"^##+ {re.escape(heading)}$", DOCUMENT.read_text(), flags=re.MULTILINE)[1]
    section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(found[number])


ROWS = [
    Row("EventSource in Chromium, alone", "chromium", "EventSource", "html", 0,
        opening=GIVES_UP, bad_gateway=GIVES_UP, signed_out=ASKS_ONCE),
    Row("EventSource in Chromium", "chromium", "EventSource", "html", 1),
    Row("EventSource in Firefox, alone", "firefox", "EventSource", "html", 0,
        opening=GIVES_UP, bad_gateway=GIVES_UP, signed_out=ASKS_ONCE),
    Row("EventSource in Firefox", "firefox", "EventSource", "html", 1),
    Row("htmx 2, alone", "chromium", "htmx 2", "html", 0, bad_gateway=MISSES, signed_out=FOR_EVER),
    Row("htmx 2", "chromium", "htmx 2", "html", 1),
    Row("htmx 4, alone", "chromium", "htmx 4", "html", 0, opening=GIVES_UP, signed_out=FOR_EVER,
        ended=SWAPPED),
    Row("htmx 4", "chromium", "htmx 4", "html", 1, ended=REMOVED),
    Row("Turbo 8, alone", "chromium", "Turbo 8", "html", 0,
        opening=GIVES_UP, bad_gateway=GIVES_UP, signed_out=ASKS_ONCE),
    Row("Turbo 8", "chromium", "Turbo 8", "html", 1),
    Row("reconnecting-eventsource, alone", "chromium", "reconnecting-eventsource", "html", 0,
        bad_gateway=MISSES, signed_out=FOR_EVER),
    Row("reconnecting-eventsource", "chromium", "reconnecting-eventsource", "html", 1),
    Row("@microsoft/fetch-event-source, alone", "chromium", "@microsoft/fetch-event-source",
        "html", 0, drain=STOPS, ended=SHOWN),
    Row("@microsoft/fetch-event-source", "chromium", "@microsoft/fetch-event-source", "html", 1,
        ended=SHOWN),
    Row("eventsource, alone", "node", "eventsource", "js", 0,
        opening=GIVES_UP, bad_gateway=GIVES_UP, signed_out=ASKS_ONCE),
    Row("eventsource", "node", "eventsource", "js", 1),
    Row("eventsource-client, alone", "node", "eventsource-client", "js", 0, signed_out=FOR_EVER),
    Row("eventsource-client", "node", "eventsource-client", "js", 1),
    Row("httpx-sse", "python", "httpx-sse", "python", 0),
    Row("requests", "python", "requests", "python", 0),
    Row("sseclient-py", "python", "sseclient-py", "python", 0),
    Row("requests-sse", "python", "requests-sse", "python", 0),
    Row("aiohttp-sse-client2", "python", "aiohttp-sse-client2", "python", 0),
    Row("curl", "bash", "curl", "bash", 0, signed_out=ASKS_ONCE),
]  # fmt: skip

# Examples that lack something, which the checks must find.
FORGETFUL = Row(
    "requests without its cursor", "python", "requests", "python", 0,
    drain=MISSES, crash=MISSES, bad_gateway=MISSES,
    replaced=('headers["Last-Event-ID"] = value', "pass"),
)  # fmt: skip
IMPATIENT = Row(
    "requests without its wait", "python", "requests", "python", 0,
    replaced=("time.sleep(wait)", "time.sleep(0.2)"),
)  # fmt: skip
INSISTENT = Row(
    "requests without its end", "python", "requests", "python", 0, signed_out=FOR_EVER,
    replaced=("            break", "            pass"),
)  # fmt: skip
FAULTY = [FORGETFUL, IMPATIENT, INSISTENT]
