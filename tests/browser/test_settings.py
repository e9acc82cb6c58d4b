"""The settings pages: by hand without a script, on a phone, and live in other windows."""

import pytest
from playwright.sync_api import expect

from ..npm import installed
from .page import BLANK
from .page import live
from .test_inbox_safe import AXE
from .test_inbox_safe import complaints

MEMBERS = "/accounts/1/settings/members"
PAGES = (MEMBERS, "/accounts/1/inboxes", "/accounts/1/settings/account", "/settings/profile")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def axe() -> str:
    return (installed(AXE) / "axe-core/axe.min.js").read_text()


def row(page, name):
    return page.locator("li", has_text=f"{name.lower()}@example.com")


def opened(page, name):
    """The member's row, with its form in sight."""
    member = row(page, name)
    member.get_by_text("Change", exact=False).first.click()
    return member


def test_an_administrator_changes_members_inboxes_and_names_without_javascript_on_a_phone(window):
    ada = window("ada", java_script_enabled=False, viewport=PHONE)
    ada.locator("#me-menu summary").click()
    ada.get_by_role("link", name="Settings", exact=True).click()
    expect(ada.get_by_role("heading", name="Members")).to_be_visible()
    ada.get_by_role("navigation", name="Settings").get_by_role("link", name="Inboxes").click()
    new = ada.get_by_role("region", name="New inbox")
    new.get_by_label("Name").fill("website CHAT")
    new.get_by_role("button", name="Add the inbox").click()
    expect(ada.get_by_text("It is the name of another inbox.")).to_be_visible()
    expect(new.get_by_label("Name")).to_have_value("website CHAT")
    new.get_by_label("Name").fill("Returns")
    new.get_by_role("button", name="Add the inbox").click()
    expect(ada.get_by_role("heading", name="Returns")).to_be_visible()
    ada.get_by_role("link", name="Members", exact=True).first.click()
    grace = opened(ada, "Grace")
    grace.get_by_label("As an agent, sees").select_option("assigned")
    grace.get_by_label("Returns").check()
    grace.get_by_role("button", name="Save Grace").click()
    expect(row(ada, "Grace")).to_contain_text("Orders by email, Returns")
    expect(row(ada, "Grace")).to_contain_text("sees what is assigned to them")
    me = opened(ada, "Ada")
    me.get_by_label("Role").select_option("agent")
    me.get_by_role("button", name="Save Ada").click()
    expect(ada.get_by_text("It is that of the last administrator.")).to_be_visible()
    ada.get_by_role("link", name="Account", exact=True).click()
    ada.get_by_label("Name of the account").fill("Acme Lamps")
    ada.get_by_role("button", name="Save").click()
    expect(ada.locator(".brand")).to_have_text("Acme Lamps")


def test_the_own_name_and_password_are_changed_without_javascript(window):
    grace = window("grace", java_script_enabled=False, viewport=PHONE)
    grace.locator("#me-menu summary").click()
    grace.get_by_role("link", name="Your profile").click()
    grace.get_by_label("Name, as colleagues").fill("Grace Hopper")
    grace.get_by_role("button", name="Save the name").click()
    expect(grace.get_by_label("Name, as colleagues")).to_have_value("Grace Hopper")
    for present, words in (
        ("wrong one", "It is wrong."),
        ("password", "Your password is changed."),
    ):
        grace.get_by_label("Present password").fill(present)
        grace.get_by_label("New password").fill("password" if present == "password" else "long one")
        grace.get_by_role("button", name="Change the password").click()
        expect(grace.get_by_text(words)).to_be_visible()
    assert "wrong one" not in grace.content()


def test_a_change_shows_in_another_open_page_and_one_that_is_being_filled_in_offers_it(window):
    ada = window("ada", MEMBERS)
    kevins = opened(ada, "Kevin")
    kevins.get_by_label("Role").select_option("administrator")
    kevins.get_by_role("button", name="Save Kevin").click()
    expect(row(ada, "Kevin")).to_contain_text("Administrator")
    kevin = window("kevin", MEMBERS)
    expect(row(kevin, "Ada")).to_be_visible()
    opened(kevin, "Ada")
    graces = opened(ada, "Grace")
    graces.get_by_label("Website chat").check()
    graces.get_by_role("button", name="Save Grace").click()
    expect(row(kevin, "Grace")).to_contain_text("Website chat")
    expect(row(kevin, "Ada").get_by_role("button", name="Save Ada")).to_be_visible()  # still open
    # What Kevin is filling in stays.
    row(kevin, "Ada").get_by_label("Role").select_option("agent")
    graces = opened(ada, "Grace")
    graces.get_by_label("Website chat").uncheck()
    graces.get_by_role("button", name="Save Grace").click()
    expect(kevin.get_by_text("These settings were changed meanwhile.")).to_be_visible()
    expect(row(kevin, "Ada").get_by_label("Role")).to_have_value("agent")
    expect(row(kevin, "Grace")).to_contain_text("Website chat")
    kevin.get_by_role("link", name="Load them.").click()
    expect(row(kevin, "Grace")).not_to_contain_text("Orders by email, Website chat")
    # He is an agent again: his page states that it is not for him any more.
    kevins = opened(ada, "Kevin")
    kevins.get_by_label("Role").select_option("agent")
    kevins.get_by_role("button", name="Save Kevin").click()
    expect(kevin.locator("body")).to_contain_text("Only an administrator of the account may")


def test_a_member_who_is_removed_sees_it_and_their_conversations_are_unassigned(window):
    ada, kevin = (
        live(window("ada", BLANK), "/conversations/1"),
        window("kevin", "/settings/profile"),
    )
    admin = window("ada", MEMBERS)
    kevins = opened(admin, "Kevin")
    kevins.get_by_text("Remove Kevin…").click()
    kevins.get_by_role("button", name="Remove Kevin", exact=True).click()
    expect(row(admin, "Kevin")).to_have_count(0)
    expect(ada.locator("#messages")).to_contain_text("Kevin no longer sees this")
    expect(kevin.locator(".brand")).to_have_text("rtapp")  # his open page is that of no account
    kevin.goto("/accounts/1/conversations")
    expect(kevin.locator("body")).to_contain_text("nothing here")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone_have_names_of_their_own_and_axe_finds_nothing(window, axe, scheme):
    ada = window("ada", MEMBERS, viewport=PHONE, color_scheme=scheme)
    for path in PAGES:
        ada.goto(path)
        for summary in ada.locator("main details > summary").all():
            summary.evaluate("summary => summary.parentElement.open = true")
        assert ada.evaluate("document.documentElement.scrollWidth") == 390
        names = ada.locator("main :is(button, summary)").evaluate_all(
            "all => all.map((each) => each.textContent.trim().replace(/\\s+/g, ' '))"
        )
        assert len(names) == len(set(names)), names
        for form in ada.locator("main form").all():
            labels = form.locator("label").all_inner_texts()
            assert len(labels) == len(set(labels)), labels
        assert complaints(ada, axe) == []
