"""A window outlives its server: it comes back by itself, and has missed nothing."""

from playwright.sync_api import expect

PATIENCE = 30_000  # ms, more than the longest that a window waits at first


def test_what_was_said_while_the_window_was_cut_off_is_there_without_reloading(window, restartable):
    kevin = window("kevin")
    kevin.goto("/conversations/2")
    expect(kevin.locator("#live")).to_contain_text("Live")
    kevin.evaluate("window.notReloaded = true")
    restartable.stop()
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    kevin.context.set_offline(True)  # so that it can't come back before something is said
    restartable.start()
    restartable.say(2, "Said while you were away.")
    expect(kevin.locator("#messages")).not_to_contain_text("Said while you were away.")
    kevin.context.set_offline(False)
    expect(kevin.locator("#messages")).to_contain_text(
        "Said while you were away.", timeout=PATIENCE
    )
    expect(kevin.locator("#live")).to_contain_text("Live")
    restartable.say(2, "And afterwards.")
    expect(kevin.locator("#messages")).to_contain_text("And afterwards.")
    assert kevin.locator("#messages > .message", has_text="Said while you were away.").count() == 1
    assert kevin.evaluate("window.notReloaded")
