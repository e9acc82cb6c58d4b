import re

from playwright.sync_api import expect


def test_a_message_shows_in_the_thread_and_list_of_another_agent_without_reloading(window):
    ada, kevin, grace = window("ada"), window("kevin"), window("grace")
    ada.goto("/conversations/2")
    kevin.goto("/conversations/2")
    kevin.evaluate("window.notReloaded = true")
    expect(kevin.locator("#live")).to_contain_text("Live")
    expect(kevin.locator("#conversations > li").first).not_to_have_id("conversation-2")
    ada.fill("#composer textarea", "Your size is changed.")
    ada.keyboard.press("Enter")
    expect(kevin.locator("#messages")).to_contain_text("Your size is changed.")
    first = kevin.locator("#conversations > li").first
    expect(first).to_have_id("conversation-2")
    expect(first).to_contain_text("Your size is changed.")
    assert kevin.evaluate("window.notReloaded")
    expect(ada.locator("#messages")).to_contain_text("Your size is changed.")
    expect(ada.locator("#composer textarea")).to_have_value("")
    assert "Your size is changed." not in grace.content()
    assert grace.goto("/conversations/2").status == 404


def test_markup_in_a_message_stays_text_in_another_window(window):
    ada, kevin = window("ada"), window("kevin")
    kevin.goto("/conversations/3")
    expect(kevin.locator("#live")).to_contain_text("Live")
    ada.goto("/conversations/3")
    ada.fill("#composer textarea", "<img src=x onerror='window.hacked = true'>")
    ada.keyboard.press("Enter")
    expect(kevin.locator("#messages")).to_contain_text("onerror")
    assert kevin.locator("#messages img").count() == 0
    assert kevin.evaluate("window.hacked") is None


def test_sending_signing_out_and_signing_in_work_by_forms_without_javascript(window):
    kevin = window("kevin", java_script_enabled=False)
    kevin.click(".statuses a:has-text('Pending')")
    kevin.click("#conversation-4 a")
    kevin.fill("#composer textarea", "Sent by a form.")
    kevin.click("button:has-text('Send')")
    expect(kevin.locator("#messages")).to_contain_text("Sent by a form.")
    kevin.click("#me-menu summary")
    kevin.click("button:has-text('Sign out')")
    kevin.wait_for_url("**/login")
    kevin.goto("/conversations/4")
    expect(kevin).to_have_url(re.compile(r"/login\?next=/conversations/4$"))
    kevin.fill("input[name=email]:visible", "kevin@example.com")
    kevin.fill("input[name=password]:visible", "wrong")
    kevin.press("input[name=password]:visible", "Enter")
    expect(kevin.get_by_role("alert")).to_be_visible()
    kevin.fill("input[name=password]:visible", "password")
    kevin.press("input[name=password]:visible", "Enter")
    kevin.wait_for_url("**/conversations/4")
