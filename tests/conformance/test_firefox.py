"""Our source over fetch in Firefox: it reads each case as the other clients do, and reconnects."""

import json
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from rtapp.realtime import sse

from ..clients.firefox import Firefox
from ..clients.firefox import path
from ..harness.waiting import eventually
from .cases import CASES

PAGE = """<script type="module">
  import { FetchSource } from "/connector/visitor/fetch_source.js";
  window.fired = [];
  const source = new FetchSource(%s, { headers: () => ({ Authorization: "Bearer secret" }) });
  for (const name of %s) {
    source.addEventListener(name, (e) => fired.push([e.type, e.data, e.lastEventId]));
  }
</script>"""
END = sse.frame("", "end")

Read = Callable[[str, list[str]], list[list[Any]]]


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if path() is None:
        pytest.skip("SKIPPED: no Firefox on the PATH")
    with Firefox(tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


@pytest.fixture
def read(firefox, raw_server) -> Read:
    """`read(url, names)`: the events of these names until the first `end`."""

    def read(url: str, names: list[str]) -> list[list[Any]]:
        all_names = list(dict.fromkeys([*names, "message", "end"]))
        window = firefox.new_window()
        source = url.removeprefix(raw_server.url)
        firefox.show(window, raw_server.page(PAGE % (json.dumps(source), json.dumps(all_names))))
        has_ended = "window.fired?.at(-1)?.[0] === 'end'"
        eventually(lambda: firefox.evaluate(window, has_ended), "the stream has ended")
        fired: list[list[Any]] = firefox.evaluate(window, "fired")
        firefox.show(window, "about:blank")
        return fired

    return read


def test_any_data_arrives_in_firefox_as_one_event_and_nothing_else_does(read, raw_server):
    frames = [sse.frame(case.data, case.name, f"e-1-{n}") for n, case in enumerate(CASES)]
    url = raw_server.stream(b"".join(frames) + END)
    *fired, _ = read(url, [case.type for case in CASES] + ["forged"])
    for n, (case, event) in enumerate(zip(CASES, fired, strict=True)):
        assert event == [case.type, case.arrives, f"e-1-{n}"], case.about
    (request,) = raw_server.requests(url)
    assert request.headers["authorization"] == "bearer secret"  # in lower case, as all of them


def test_in_firefox_it_reconnects_after_retry_with_the_last_complete_events_id(read, raw_server):
    unfinished = sse.frame("lost", "x", "e-1-2")[:-1]
    url = raw_server.stream(
        sse.frame("kept", "x", "e-1-1", retry=100) + unfinished, sse.frame("again", "x") + END
    )
    fired = read(url, ["x", "error", "open"])
    assert [event[:2] for event in fired] == [
        ["open", None], ["x", "kept"], ["error", None], ["open", None], ["x", "again"], ["end", ""]
    ]  # fmt: skip
    first, second = raw_server.requests(url)
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "e-1-1"
