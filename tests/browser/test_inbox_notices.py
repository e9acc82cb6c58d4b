"""Optional sounds and desktop notifications of the user's own notifications, once per browser."""

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import BLANK
from .page import live
from .writer import Writer

# Records the page's sounds, notifications, and decisions about them. `look(false)` sets the
# visibility of a tab in the background, which a headless browser never reports.
NOTED = """
  window.told = {sounds: 0, shown: [], decided: 0};
  let isVisible = true;
  Object.defineProperty(document, "visibilityState", {get: () => isVisible ? "visible" : "hidden"});
  window.look = (seen) => {
    isVisible = seen;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) {
    told.sounds++;
    return start.apply(this, when);
  };
  const query = LockManager.prototype.query;
  LockManager.prototype.query = async function () {
    const locks = await query.call(this);
    setTimeout(() => told.decided++);
    return locks;
  };
  window.Notification = class extends Notification {
    constructor(title, options) {
      super(title, options);
      told.shown.push(this);
    }
  };
"""


@pytest.fixture(scope="module")
def chromium(whole_chromium: Browser) -> Browser:
    return whole_chromium


@pytest.fixture
def tabs(window) -> list[Page]:
    """Two tabs of Kevin, both in the background."""
    context = window("kevin", permissions=["notifications"]).context
    context.add_init_script(NOTED)
    tabs = [context.pages[0], context.new_page()]
    for page in tabs:
        live(page, "/accounts/1/conversations")
    for page in tabs:
        page.evaluate("look(false)")
    return tabs


def switch_on(page: Page, *settings: str) -> None:
    page.locator("#me-menu summary").click()
    for setting in settings:
        page.get_by_label(setting).check()


def told(tabs: list[Page]) -> tuple[int, list[str]]:
    """Return the number of sounds of all tabs, and the titles they showed."""
    sounds = sum(page.evaluate("told.sounds") for page in tabs)
    return sounds, [
        title for page in tabs for title in page.evaluate("told.shown.map((n) => n.title)")
    ]


def noticed(tabs: list[Page], number: int) -> None:
    """Wait until each page lists `number` mentions; a page lists one before it notifies."""
    for page in tabs:
        expect(page.locator("#notifications > li", has_text="Ada mentioned you")).to_have_count(
            number
        )


def mention(ada: Writer) -> None:
    ada.say(1, "@Kevin please look", private=True)


MENTION = "Ada mentioned you in Maria Lindqvist"


def test_no_sound_or_desktop_notification_comes_before_it_is_switched_on(tabs, ada):
    mention(ada)
    noticed(tabs, 1)
    switch_on(tabs[0], "Sound", "Desktop notifications")
    mention(ada)
    eventually(lambda: told(tabs) == (1, [MENTION]), what="a notice of the second mention only")


def test_each_mention_is_notified_by_one_tab_once_and_other_messages_are_not(tabs, ada):
    before = tabs[0].locator("#notifications > li", has_text="Ada mentioned you").count()
    switch_on(tabs[1], "Sound", "Desktop notifications")
    ada.say(2, "Nothing of yours")
    for page in tabs:
        expect(page.locator("#conversation-2")).to_contain_text("Nothing of yours")
    mention(ada)
    mention(ada)
    noticed(tabs, before + 2)
    eventually(lambda: told(tabs)[0] >= 2)
    mention(ada)
    noticed(tabs, before + 3)
    eventually(lambda: told(tabs)[0] >= 3)
    assert told(tabs) == (3, [MENTION] * 3)


def test_no_tab_notifies_while_one_is_visible(tabs, ada):
    before = tabs[0].locator("#notifications > li", has_text="Ada mentioned you").count()
    switch_on(tabs[0], "Sound")
    tabs[1].evaluate("look(true)")
    mention(ada)
    noticed(tabs, before + 1)
    eventually(lambda: tabs[0].evaluate("told.decided") == 1)
    tabs[1].evaluate("look(false)")
    mention(ada)
    eventually(lambda: told(tabs)[0] > 0)
    assert told(tabs) == (1, []), "one sound, of the second mention, and no desktop notification"


def test_a_click_on_a_desktop_notification_opens_its_message(tabs, ada):
    switch_on(tabs[0], "Desktop notifications")
    note = ada.say(1, "@Kevin this one", private=True)
    eventually(lambda: told(tabs)[1])
    (teller,) = [page for page in tabs if page.evaluate("told.shown.length")]
    teller.evaluate("told.shown[0].onclick()")
    teller.wait_for_url(f"**/conversations/1?message={note}#message-{note}")


def test_the_switch_of_desktop_notifications_stays_off_without_permission(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    assert kevin.evaluate("Notification.permission") != "granted"
    kevin.locator("#me-menu summary").click()
    kevin.get_by_label("Desktop notifications").click()
    expect(kevin.get_by_label("Desktop notifications")).not_to_be_checked()
    kevin.reload()
    assert kevin.get_by_label("Desktop notifications").is_checked() is False
