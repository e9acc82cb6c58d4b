"""A page outlives a restart of the server, and receives what it missed."""

from playwright.sync_api import expect

PATIENCE = 30_000  # ms, more than a page's longest first delay


def test_a_page_receives_messages_sent_during_a_server_restart_without_reloading(
    window, restartable
):
    kevin = window("kevin")
    kevin.goto("/conversations/2")
    expect(kevin.locator("#live")).to_contain_text("Live")
    kevin.evaluate("window.notReloaded = true")
    restartable.stop()
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    kevin.context.set_offline(True)  # so that it can't reconnect before the message
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
