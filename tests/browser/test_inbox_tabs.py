"""Tabs that crash or freeze: the others continue, and a resumed tab has every message."""

import pytest

from ..harness.waiting import eventually
from .test_inbox_connection import STATES
from .untouched import Untouched
from .writer import open_streams


@pytest.fixture
def untouched(chromium, server):
    window = Untouched(chromium, server, "kevin")
    yield window
    window.close()


IDS = "[...document.querySelectorAll('#messages > .message')].map(({id}) => Number(id.slice(8)))"


def has(id: int) -> str:
    return f"document.getElementById('message-{id}') !== null"


def test_other_tabs_stay_live_and_lose_no_message_when_the_leading_tabs_renderer_is_killed(
    untouched, server, ada
):
    eventually(lambda: open_streams(server) == 0)
    leader, *others = (untouched.open_live("/conversations/1") for _ in range(3))
    assert open_streams(server) == 1
    for tab in others:
        tab.evaluate(STATES)
    ada.keep_saying([1], every=0.02, most=60)
    heard = others[0].evaluate(f"{IDS}.length")
    others[0].expect(f"{IDS}.length > {heard + 5}")
    leader.crash()
    assert ada.is_at_work
    eventually(lambda: not ada.is_at_work)
    eventually(lambda: untouched.crashed == 1)
    for tab in others:
        first = tab.evaluate(f"{IDS}[0]")
        said = [first, *ada.messages_after(1, first)]
        tab.expect(f"{IDS}.length >= {len(said)}")
        assert tab.evaluate(IDS) == said
        assert tab.evaluate("states") == ["live"], "the tab was not live all the time"
    eventually(lambda: open_streams(server) == 1)


def test_a_thawed_page_shows_offline_then_live_and_has_every_missed_message(untouched, server, ada):
    eventually(lambda: open_streams(server) == 0)
    tab = untouched.open_live("/conversations/2")
    tab.evaluate(STATES)
    tab.evaluate(
        "addEventListener('freeze', () => (states.length = 0), {capture: true, once: true})"
    )
    tab.freeze()
    tab.expect("states.at(-1) === 'reconnecting'")
    said = [ada.say(2, f"While you slept, {n}") for n in range(3)]
    tab.send("Network.enable")
    nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    tab.send("Network.emulateNetworkConditions", offline=True, **nothing)
    tab.thaw()  # still without a network
    tab.expect("document.getElementById('live').dataset.state === 'offline'")
    assert tab.evaluate("states") == ["reconnecting", "offline"], (
        "the page showed live without a connection"
    )
    assert not tab.evaluate(has(said[0]))
    tab.send("Network.emulateNetworkConditions", offline=False, **nothing)
    tab.expect("states.at(-1) === 'live'")
    tab.expect(has(said[-1]))
    ids = tab.evaluate(IDS)
    assert ids == [ids[0], *ada.messages_after(2, ids[0])]


def test_another_tab_takes_over_when_the_leading_tab_freezes(untouched, server, ada):
    """The frozen tab's connection ends when it thaws: Chromium cancels requests in queued tasks."""
    eventually(lambda: open_streams(server) == 0)
    leader, follower = (untouched.open_live("/conversations/3") for _ in range(2))
    assert open_streams(server) == 1
    follower.evaluate(STATES)
    leader.freeze()
    said = ada.say(3)
    follower.expect(has(said))
    assert follower.evaluate("states") == ["live"], "the tab was not live all the time"
    leader.thaw()
    leader.expect(has(said))
    leader.expect("document.getElementById('live').dataset.state === 'live'")
    eventually(lambda: open_streams(server) == 1)
