"""Presence, typing and viewers on the page: Ada's page shows Kevin's."""

from playwright.sync_api import expect

GRACE = 60_000  # ms, more than the grace of 10 s


def test_another_agents_presence_typing_and_avatar_appear_and_disappear_on_the_page(window):
    ada, kevin = window("ada"), window("kevin")
    ada.goto("/conversations/1")
    row = ada.locator("#conversation-1")
    dot = row.get_by_role("img", name="online")
    avatar = ada.locator("#thread-viewers").get_by_title("Kevin")
    line = ada.locator("#typing-line")
    expect(ada.locator("#live")).to_contain_text("Live")
    expect(dot).to_be_visible()
    expect(avatar).to_have_count(0)
    kevin.goto("/conversations/1")
    expect(avatar).to_be_visible()
    expect(row.get_by_role("img", name="Kevin is looking at this")).to_be_visible()
    expect(ada.locator("#thread-viewers")).not_to_contain_text("A", use_inner_text=True)

    kevin.locator("#composer textarea").press_sequentially("I will")
    expect(line).to_contain_text("Kevin is typing…")
    expect(line).to_be_visible()
    expect(ada.locator("#announcement")).to_have_text("Kevin is typing…")
    expect(kevin.locator("#typing li")).to_have_count(1)  # it receives its own typing
    expect(kevin.locator("#typing-line")).to_be_hidden()
    kevin.fill("#composer textarea", "")
    expect(line).to_be_hidden()

    kevin.context.close()
    expect(avatar).to_have_count(0)
    expect(dot).to_have_count(0, timeout=GRACE)


def test_typing_a_note_is_shown_as_such_and_ends_when_the_note_is_sent(window):
    ada, kevin = window("ada"), window("kevin")
    ada.goto("/conversations/2")
    kevin.goto("/conversations/2")
    expect(ada.locator("#live")).to_contain_text("Live")
    kevin.get_by_label("Private note").check()
    kevin.locator("#composer textarea").press_sequentially("Hm")
    expect(ada.locator("#typing-line")).to_contain_text("Kevin is typing a note…")
    kevin.keyboard.press("Enter")
    expect(ada.locator("#messages")).to_contain_text("Hm")
    expect(ada.locator("#typing-line")).to_be_hidden()


def test_a_chosen_presence_status_shows_for_others_and_in_the_users_other_window(window):
    ada, kevin = window("ada"), window("kevin")
    ada.goto("/conversations/4?status=any")
    dots = ada.locator("#conversation-4 .chip .dot")
    expect(dots).to_have_attribute("data-status", "online")
    other = kevin.context.new_page()
    other.goto("/accounts/1/conversations")
    expect(other.locator("#live")).to_contain_text("Live")
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="Busy").click()
    expect(dots).to_have_attribute("data-status", "busy")
    expect(other.locator("#own-status [aria-pressed=true]")).to_contain_text("Busy")
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="Appear offline").click()
    expect(dots).not_to_have_attribute("data-status", "busy")
    expect(other.locator("#me-menu summary .dot")).to_have_attribute("data-status", "offline")
    expect(other.locator("#own-status [aria-pressed=true]")).to_contain_text("Appear offline")


def test_an_offline_page_shows_no_presence_and_no_viewers(window):
    ada, kevin = window("ada"), window("kevin")
    kevin.goto("/conversations/1")
    ada.goto("/conversations/1")
    avatar = ada.locator("#thread-viewers").get_by_title("Kevin")
    expect(avatar).to_be_visible()
    ada.evaluate("dispatchEvent(new Event('pagehide'))")  # closes its connection
    ada.context.set_offline(True)
    ada.evaluate("dispatchEvent(new Event('pageshow'))")
    expect(ada.locator("#live")).to_contain_text("Offline")
    expect(avatar).to_have_count(0)
    expect(ada.locator("#messages .dot[data-status]")).to_have_count(0)
    ada.context.set_offline(False)
    expect(avatar).to_be_visible(timeout=GRACE)


def test_a_presence_status_can_be_chosen_without_javascript(window):
    kevin = window("kevin", java_script_enabled=False)
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="Busy").click()
    expect(kevin.locator("#own-status [aria-pressed=true]")).to_contain_text("Busy")
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="Online", exact=True).click()
    expect(kevin.locator("#own-status [aria-pressed=true]")).to_contain_text("Online")
