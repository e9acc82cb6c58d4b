"""Tabs that crash or freeze: the others go on, and whoever comes back has everything."""

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


def test_when_the_leading_tabs_renderer_is_killed_the_others_go_on_and_lose_nothing(
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
        assert tab.evaluate("states") == ["live"], "nothing was amiss"
    eventually(lambda: open_streams(server) == 1)


def test_a_page_that_was_frozen_says_so_and_has_everything_when_it_is_back(untouched, server, ada):
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
    tab.thaw()  # where there is no network yet
    tab.expect("document.getElementById('live').dataset.state === 'offline'")
    assert tab.evaluate("states") == ["reconnecting", "offline"], "it never said to be live"
    assert not tab.evaluate(has(said[0]))
    tab.send("Network.emulateNetworkConditions", offline=False, **nothing)
    tab.expect("states.at(-1) === 'live'")
    tab.expect(has(said[-1]))
    ids = tab.evaluate(IDS)
    assert ids == [ids[0], *ada.messages_after(2, ids[0])]


def test_when_the_leading_tab_freezes_another_takes_over(untouched, server, ada):
    """Its own connection ends only as it thaws: Chromium cancels requests in tasks, which wait."""
    eventually(lambda: open_streams(server) == 0)
    leader, follower = (untouched.open_live("/conversations/3") for _ in range(2))
    assert open_streams(server) == 1
    follower.evaluate(STATES)
    leader.freeze()
    said = ada.say(3)
    follower.expect(has(said))
    assert follower.evaluate("states") == ["live"], "nothing was amiss"
    leader.thaw()
    leader.expect(has(said))
    leader.expect("document.getElementById('live').dataset.state === 'live'")
    eventually(lambda: open_streams(server) == 1)
