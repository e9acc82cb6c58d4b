"""Rows of the list are selected, and changed together."""

import pytest
from playwright.sync_api import APIResponse
from playwright.sync_api import Page
from playwright.sync_api import Route
from playwright.sync_api import expect

from .page import BLANK
from .page import live

LIST = "/accounts/1/conversations"
BAR = "#bulk [data-count]"


@pytest.fixture
def kevin(window, ada) -> Page:
    for id in (1, 2, 3):
        ada.post(f"/conversations/{id}/status", status="open")
        ada.post(f"/conversations/{id}/assignee", assignee_id=2)
    return live(window("kevin", BLANK), LIST)


def pick(page: Page, *ids: int) -> None:
    page.get_by_label("Select", exact=True).check()
    for id in ids:
        page.locator(f"#conversation-{id} .pick input").check()
    expect(page.locator(BAR)).to_have_text(f"{len(ids)} selected")


def choose(page: Page, menu: str, choice: str) -> None:
    page.locator("#bulk summary", has_text=menu).click()
    page.locator("#bulk").get_by_role("button", name=choice, exact=True).click()


def statuses(ada, *ids: int) -> list[str]:
    return [ada.conversation(id)["status"] for id in ids]


def test_selected_conversations_are_resolved_together_and_that_is_undone_together(kevin, ada):
    ada.post("/conversations/2/status", status="pending")
    kevin.goto(f"{LIST}?status=any")
    live(kevin, f"{LIST}?status=any")
    pick(kevin, 1, 2, 3)
    choose(kevin, "Status", "Resolved")
    expect(kevin.locator("#toast")).to_contain_text("3 resolved.")
    assert statuses(ada, 1, 2, 3) == ["resolved"] * 3
    expect(kevin.locator("#bulk")).to_be_hidden()
    expect(kevin.locator(".pick :checked")).to_have_count(0)
    kevin.locator("#toast").get_by_role("button", name="Undo").click()
    expect(kevin.locator("#conversation-3 .chip").first).to_have_text("Open")
    expect(kevin.locator("#conversation-2 .chip").first).to_have_text("Pending")
    assert statuses(ada, 1, 2, 3) == ["open", "pending", "open"]


def test_selected_conversations_are_assigned_labelled_and_snoozed(kevin, ada):
    pick(kevin, 1, 3)
    choose(kevin, "Assign", "Ada")
    expect(kevin.locator("#toast")).to_contain_text("2 assigned to Ada.")
    assert [ada.conversation(id)["assignee"]["name"] for id in (1, 3)] == ["Ada", "Ada"]
    pick(kevin, 1, 3)
    kevin.locator("#bulk summary", has_text="Label").click()
    kevin.get_by_role("group", name="Add a label").get_by_role("button", name="VIP").click()
    expect(kevin.locator("#toast")).to_contain_text("2 labelled VIP.")
    for id in (1, 3):
        assert "VIP" in [label["title"] for label in ada.conversation(id)["labels"]]
    pick(kevin, 1, 3)
    choose(kevin, "Status", "Snooze until tomorrow")
    expect(kevin.locator("#toast")).to_contain_text("2 snoozed.")
    assert all(ada.conversation(id)["snoozed_until"] for id in (1, 3))


def test_a_row_in_which_the_customer_writes_meanwhile_stays_selected_and_unresolved(
    kevin, ada, restartable
):
    pick(kevin, 1, 3)
    seen = kevin.locator("#conversation-1 .pick input").get_attribute("value")
    maria = restartable.flask("token", "visitor", "maria.lindqvist@example.com")

    def write_first(route: Route) -> None:
        restartable.post(maria, "/conversations/1/messages", content="Wait!")
        route.continue_()

    kevin.route("**/bulk", write_first)
    with kevin.expect_response("**/bulk") as answer:
        choose(kevin, "Status", "Resolved")
    assert [each["id"] for each in answer.value.json()["refused"]] == [1]
    expect(kevin.locator("#toast")).to_contain_text("1 resolved. 1 not changed: The customer has")
    assert statuses(ada, 1, 3) == ["open", "resolved"]
    expect(kevin.locator(BAR)).to_have_text("1 selected")
    box = kevin.locator("#conversation-1 .pick input")
    expect(box).to_be_checked()
    expect(box).not_to_have_attribute("value", seen or "")  # the row is the newer one


def test_a_selected_row_stays_selected_while_it_changes_and_leaves_with_its_row(kevin, ada):
    pick(kevin, 3, 1)  # a row with the focus stays
    ada.say(3, "One more thing")
    expect(kevin.locator("#conversation-3")).to_contain_text("One more thing")
    expect(kevin.locator("#conversation-3 .pick input")).to_be_checked()
    ada.post("/conversations/3/status", status="resolved")
    kevin.mouse.move(800, 300)  # a row under the pointer stays
    expect(kevin.locator("#conversation-3")).to_have_count(0)
    expect(kevin.locator(BAR)).to_have_text("1 selected")


def test_a_rows_box_keeps_the_focus_as_the_row_changes_and_its_link_does_too(kevin, ada):
    pick(kevin, 3)
    ada.say(3, "While its box has the focus")
    expect(kevin.locator("#conversation-3")).to_contain_text("While its box has the focus")
    expect(kevin.locator("#conversation-3 .pick input")).to_be_focused()
    kevin.locator("#conversation-3 > a").focus()
    ada.say(3, "While its link has it")
    expect(kevin.locator("#conversation-3")).to_contain_text("While its link has it")
    expect(kevin.locator("#conversation-3 > a")).to_be_focused()


def test_rows_are_selected_by_keyboard_alone_and_escape_ends_it(kevin):
    kevin.locator("#conversation-3 > a").focus()
    kevin.keyboard.press("x")
    expect(kevin.locator(BAR)).to_have_text("1 selected")
    kevin.keyboard.press("j")
    kevin.keyboard.press("x")
    expect(kevin.locator(BAR)).to_have_text("2 selected")
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#bulk")).to_be_hidden()
    expect(kevin.locator(".pick :checked")).to_have_count(0)


def test_escape_in_an_open_menu_closes_the_menu_alone(kevin):
    pick(kevin, 1, 3)
    menu = kevin.locator("#bulk summary", has_text="Status")
    menu.click()
    kevin.evaluate(  # the first menu that opens has this loaded
        "import(document.querySelector('script[type=module]').src"
        ".replace('inbox.js', 'on_demand/menus.js'))"
    )
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#bulk details[open]")).to_have_count(0)
    expect(kevin.locator(BAR)).to_have_text("2 selected")
    expect(menu).to_be_focused()
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#bulk")).to_be_hidden()


def test_enter_on_a_rows_box_changes_no_conversation(kevin, ada):
    ada.post("/conversations/1/status", status="pending")
    live(kevin, f"{LIST}?status=any")
    sent: list[str] = []
    kevin.on("request", lambda request: sent.append(request.method))
    box = kevin.locator("#conversation-1 .pick input")
    kevin.locator("#conversation-1").hover()
    box.focus()
    kevin.keyboard.press("Enter")
    kevin.keyboard.press("Space")
    expect(kevin.locator(BAR)).to_have_text("1 selected")
    kevin.keyboard.press("Enter")
    kevin.keyboard.press("Space")
    expect(kevin.locator(BAR)).to_have_text("None selected")
    assert "POST" not in sent
    assert statuses(ada, 1) == ["pending"]


def test_selecting_is_off_after_going_back_to_the_list(kevin):
    kevin.get_by_label("Select", exact=True).check()
    expect(kevin.locator("#bulk")).to_be_visible()
    kevin.goto("/contacts/1")
    kevin.go_back()
    expect(kevin.locator("#live")).to_contain_text("Live")
    expect(kevin.get_by_label("Select", exact=True)).not_to_be_checked()
    kevin.get_by_label("Select", exact=True).check()
    expect(kevin.locator("#bulk")).to_be_visible()


def test_without_scripts_selected_conversations_are_changed_by_a_form(window, ada):
    ada.post("/conversations/2/status", status="open")
    page = window("kevin", f"{LIST}?status=any", java_script_enabled=False)
    page.locator("#conversation-2 .pick input").check()
    page.locator("#bulk summary", has_text="Status").click()
    page.locator("#bulk").get_by_role("button", name="Pending").click()
    page.wait_for_url(f"**{LIST}")
    assert ada.conversation(2)["status"] == "pending"


def test_selected_rows_are_changed_from_the_palette_and_undone_by_a_key(kevin, ada):
    kevin.keyboard.press("Control+k")
    kevin.keyboard.type("status of the selected")
    expect(kevin.locator("#palette [role=status]")).to_have_text("Nothing found.")
    kevin.keyboard.press("Escape")  # the text
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#palette")).to_be_hidden()
    pick(kevin, 1, 3)
    kevin.keyboard.press("Control+k")
    kevin.keyboard.type("selected resolved")
    option = kevin.locator("#palette [role=option]").first
    expect(option).to_have_text("Status of the selected: Resolved")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#toast")).to_contain_text("2 resolved.")
    expect(kevin.get_by_label("Select", exact=True)).to_be_focused()
    assert statuses(ada, 1, 3) == ["resolved"] * 2
    kevin.keyboard.press("z")
    expect(kevin.locator("#conversation-1")).to_be_visible()
    expect(kevin.locator("#conversation-3")).to_be_visible()
    assert statuses(ada, 1, 3) == ["open"] * 2


@pytest.mark.parametrize("hovers", [2, 3])
def test_the_focus_stays_at_the_mode_if_the_rows_have_changed_before_the_answer_came(
    kevin, ada, hovers
):
    """The row under the pointer stays; the one that had the focus stays or has gone."""
    pick(kevin, 1, 3)
    answers: list[tuple[Route, APIResponse]] = []
    kevin.route("**/bulk", lambda route: answers.append((route, route.fetch())))
    kevin.locator(f"#conversation-{hovers}").hover()
    kevin.keyboard.press("Control+k")
    kevin.keyboard.type("selected resolved")
    expect(kevin.locator("#palette [role=option]").first).to_contain_text("selected: Resolved")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#conversation-1")).to_have_count(0)
    expect(kevin.locator("#conversation-3[data-status=open]")).to_have_count(0)
    [(route, answer)] = answers
    route.fulfill(response=answer)
    expect(kevin.locator("#toast")).to_contain_text("2 resolved.")
    expect(kevin.get_by_label("Select", exact=True)).to_be_focused()
