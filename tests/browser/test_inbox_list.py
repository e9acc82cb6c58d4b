"""The list: rows appear, move and disappear by the view, and changes of a conversation show."""

import re

from playwright.sync_api import Route
from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live


def test_rows_of_the_list_appear_move_and_disappear_by_the_view(window, writer):
    ada = live(window("ada", BLANK), "/accounts/1/conversations?assignee=none&status=open")
    rows = ada.locator("#conversations > .row")
    expect(rows).to_have_count(2)
    expect(ada.locator(".views [aria-current]")).to_contain_text("Unassigned")
    act(ada, "/conversations/1/assignee", assignee_id=None)
    expect(rows.first).to_have_id("conversation-1")
    writer.say(2, "A note on sizes.")
    expect(rows.first).to_have_id("conversation-2")
    expect(rows.first).to_contain_text("A note on sizes.")
    expect(rows).to_have_count(3)
    act(ada, "/conversations/2/assignee", assignee_id=2)
    expect(ada.locator("#conversation-2")).to_have_count(0)
    act(ada, "/conversations/1/status", status="resolved")
    expect(ada.locator("#conversation-1")).to_have_count(0)
    expect(rows).to_have_count(1)
    writer.say(4, "Pending stays out of this view.")
    act(ada, "/conversations/2/assignee", assignee_id=None)
    expect(rows.first).to_have_id("conversation-2")
    expect(ada.locator("#conversation-4")).to_have_count(0)


def test_an_edit_changes_the_rows_preview_and_does_not_move_the_row(window, writer):
    first = writer.say(3, "Seen by nobody yet")
    writer.say(2, "The newest of all")
    ada = live(window("ada", BLANK), "/accounts/1/conversations")
    expect(ada.locator("#conversations > .row").first).to_have_id("conversation-2")
    act(ada, f"/messages/{first}", content="Written anew")
    expect(ada.locator("#conversation-3")).to_contain_text("Written anew")
    expect(ada.locator("#conversations > .row").nth(1)).to_have_id("conversation-3")


def test_the_link_of_a_row_keeps_the_view_after_an_update(window, writer):
    ada = live(window("ada", BLANK), "/accounts/1/conversations?status=pending")
    link = ada.locator("#conversation-4 a")
    expect(link).to_have_attribute("href", "/conversations/4?status=pending")
    writer.say(4, "Once more")
    expect(ada.locator("#conversation-4")).to_contain_text("Once more")
    link.click()
    expect(ada).to_have_url(re.compile(r"/conversations/4\?status=pending$"))
    expect(ada.locator("#conversations > .row")).to_have_count(2)


def test_the_search_field_finds_a_conversation_and_shows_when_nothing_is_found(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    live(kevin, "/accounts/1/conversations?q=iceland&status=open")
    empty = kevin.locator(".list > .empty")
    expect(empty).to_contain_text("Nothing found for “iceland” in these open conversations.")
    empty.get_by_role("link", name="Search all conversations").click()
    expect(kevin.locator("#conversation-4")).to_be_visible()
    live(kevin, "/accounts/1/conversations")
    kevin.keyboard.press("/")
    kevin.keyboard.type("iceland")
    kevin.keyboard.press("Enter")
    kevin.wait_for_url("**q=iceland*")
    expect(kevin.locator("#conversations > .row")).to_have_count(1)
    expect(kevin.locator("#conversation-4")).to_be_visible()
    kevin.fill("#search", "nothing has this")
    kevin.press("#search", "Enter")
    expect(kevin.get_by_text("Nothing found for “nothing has this”.")).to_be_visible()


def test_scrolling_the_list_loads_every_older_row_once(window):
    ada = window("ada")
    inbox = {"inbox_id": 2}
    for n in range(60):
        contact = {"name": f"Customer {n}", "email": f"customer{n}@example.com"}
        act(ada, "/accounts/1/conversations", **inbox, contact=contact, content=f"Hello {n}")
    live(ada, "/accounts/1/conversations?status=any")
    rows = ada.locator("#conversations > .row")
    assert rows.count() >= 50
    ada.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    expect(rows).to_have_count(72)
    expect(ada.locator(".list > .more")).to_have_count(0)
    ids = rows.evaluate_all("rows => rows.map(row => row.id)")
    assert len(set(ids)) == 72


def test_keyboard_focus_in_the_list_stays_on_its_row_when_rows_move_and_keys_open_help_and_note(
    window, writer
):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    kevin.keyboard.press("j")
    kevin.keyboard.press("j")
    focused = kevin.locator("#conversations > .row:has(:focus)")
    place = focused.get_attribute("data-conversation")
    writer.say(int(place), "Stays while it has the focus")
    expect(focused).to_contain_text("Stays while it has the focus")
    expect(focused).to_have_attribute("data-conversation", place)
    kevin.keyboard.press("Enter")
    kevin.wait_for_url(f"**/conversations/{place}")
    expect(kevin.locator("#conversations > .row").first).to_have_id(f"conversation-{place}")
    kevin.keyboard.press("?")
    expect(kevin.locator("#keys-help")).to_be_visible()
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#keys-help")).to_be_hidden()
    kevin.keyboard.press("n")
    expect(kevin.get_by_label("Your message")).to_be_focused()
    expect(kevin.get_by_label("Private note")).to_be_checked()
    kevin.keyboard.type("e?")  # in a field, keys are text
    expect(kevin.get_by_label("Your message")).to_have_value("e?")


def test_status_and_assignee_changed_in_menus_or_by_key_show_in_another_agents_window(window):
    ada, kevin = (
        live(window("ada", BLANK), "/conversations/5"),
        live(window("kevin", BLANK), "/conversations/5"),
    )
    act(kevin, "/accounts/1/notifications/read")  # those of other tests
    act(kevin, "/accounts/1/alerts", alerts="mine")
    live(kevin, kevin.url)
    act(ada, "/conversations/5/status", status="open")
    for page in (ada, kevin):
        expect(page.locator("#thread-status")).to_contain_text("Open")
    ada.locator("#status-menu summary").click()
    ada.get_by_role("button", name="Until tomorrow").click()
    expect(kevin.locator("#thread-status")).to_contain_text("Snoozed until")
    expect(kevin.locator("#messages")).to_contain_text("Ada snoozed this until")
    expect(ada.locator("#status-menu")).not_to_have_attribute("open", "")
    kevin.keyboard.press("e")
    expect(ada.locator("#thread-status")).to_contain_text("Resolved")
    expect(ada.locator("#status-menu [aria-pressed=true]")).to_have_attribute("value", "resolved")
    ada.locator("#assignee-menu summary").click()
    ada.get_by_role("button", name="Kevin").click()
    expect(kevin.locator("#thread-assignee")).to_contain_text("Kevin")
    count = kevin.locator("#notification-count")
    expect(count).to_be_hidden()  # he has this conversation open
    act(ada, "/conversations/2/assignee", assignee_id=2)
    expect(count).to_contain_text("1")
    expect(kevin).to_have_title(re.compile(r"^\(1\) "))
    kevin.locator("#notifications-menu summary").click()
    expect(kevin.locator("#notifications > li").first).to_contain_text("assigned a conversation")
    kevin.get_by_role("button", name="Mark all as read").click()
    expect(count).to_be_hidden()
    expect(kevin).not_to_have_title(re.compile(r"^\("))


def test_a_snooze_and_a_note_move_no_row_and_a_reply_does(window, writer):
    writer.say(3, "The newest of all")
    ada = live(window("ada", BLANK), "/accounts/1/conversations?status=any")
    rows = ada.locator("#conversations > .row")
    expect(rows.first).to_have_id("conversation-3")
    order = rows.evaluate_all("rows => rows.map((row) => row.id)")
    last = order[-1].removeprefix("conversation-")
    row = ada.locator(f"#conversation-{last}")
    time = row.locator("time").first.get_attribute("datetime")
    act(ada, f"/conversations/{last}/status", status="snoozed")
    expect(row.locator(".status-snoozed")).to_be_visible()
    act(ada, f"/conversations/{last}/messages", content="Hm", private=True)
    expect(row.locator(".preview")).to_contain_text("Hm")
    assert rows.evaluate_all("rows => rows.map((row) => row.id)") == order
    expect(row.locator("time").first).to_have_attribute("datetime", time)
    act(ada, f"/conversations/{last}/messages", content="A reply")
    expect(rows.first).to_have_id(f"conversation-{last}")


def test_the_queue_of_the_waiting_is_chosen_in_a_menu_and_loses_who_is_answered(
    window, restartable
):
    ada = live(window("ada", BLANK), "/accounts/1/conversations")
    ada.get_by_label("Order", exact=True).select_option("waiting")
    ada.wait_for_url("**sort=waiting*")
    expect(ada.locator("#live")).to_contain_text("Live")
    rows = ada.locator("#conversations > .row")
    ids = rows.evaluate_all("rows => rows.map((row) => row.dataset.conversation)")
    since = rows.evaluate_all("rows => rows.map((row) => row.dataset.waiting)")
    assert len(ids) >= 2
    assert since == sorted(since)
    expect(rows.first.locator(".waiting")).to_contain_text("Waiting since")
    email = rows.first.locator(".who").inner_text().lower().replace(" ", ".") + "@example.com"
    token = restartable.flask("token", "visitor", email)
    act(ada, f"/conversations/{ids[0]}/messages", content="Here is your answer.")
    expect(rows.first).to_have_id(f"conversation-{ids[1]}")
    expect(ada.locator(f"#conversation-{ids[0]}")).to_have_count(0)
    asked = ada.request.post(
        f"/conversations/{ids[0]}/messages",
        data={"content": "And another question"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert asked.status == 201
    expect(rows.last).to_have_id(f"conversation-{ids[0]}")


def test_a_conversation_is_started_in_a_dialog(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    kevin.get_by_role("button", name="New conversation").click()
    dialog = kevin.locator("#new-conversation")
    dialog.get_by_label("Customer's name").fill("Nora Quist")
    dialog.get_by_label("Email").fill("nora@example.com")
    dialog.get_by_label("Message").fill("Your lamp has arrived.")
    dialog.get_by_role("button", name="Send").click()
    kevin.wait_for_url(re.compile(r"/conversations/\d+$"))
    expect(kevin.locator("h1")).to_have_text("Nora Quist")
    expect(kevin.locator("#messages")).to_contain_text("Your lamp has arrived.")
    expect(kevin.locator("#contact")).to_contain_text("nora@example.com")


def test_a_text_changed_after_an_unanswered_start_is_sent_as_another_request(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")

    def lose_the_answer(route: Route) -> None:
        assert route.fetch().status == 201
        route.abort()

    kevin.route("**/accounts/1/conversations", lose_the_answer, times=1)
    kevin.get_by_role("button", name="New conversation").click()
    dialog = kevin.locator("#new-conversation")
    dialog.get_by_label("Customer's name").fill("Nils Holm")
    dialog.get_by_label("Email").fill("nils@example.com")
    dialog.get_by_label("Message").fill("The first text.")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.locator(".problem")).to_contain_text("No answer")
    dialog.get_by_label("Message").fill("The changed text.")
    dialog.get_by_role("button", name="Send").click()
    kevin.wait_for_url(re.compile(r"/conversations/\d+$"))
    expect(kevin.locator("#messages")).to_contain_text("The changed text.")


def test_the_focus_returns_to_the_menu_from_which_the_keys_were_shown(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    kevin.locator("#me-menu summary").click()
    button = kevin.get_by_role("button", name="Show the keys")
    button.focus()
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#keys-help")).to_be_visible()
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#keys-help")).to_be_hidden()
    expect(button).to_be_focused()
    kevin.keyboard.press("Escape")  # the menu's now
    expect(kevin.locator("#me-menu summary")).to_be_focused()
    expect(button).to_be_hidden()
