"""Invitations and links for new passwords, from one browser to a second one, over a real mail
server: by hand without a script, on a phone, live, and as mail."""

import re
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.mail_server import MailServer
from ..harness.mail_server import mail_server
from ..harness.postgres_server import free_port
from ..harness.waiting import eventually
from ..npm import installed
from .page import BLANK
from .page import live
from .restartable import Restartable
from .test_inbox_safe import AXE
from .test_inbox_safe import complaints

INVITATIONS = "/accounts/1/settings/invitations"
PASSWORD_LINKS = "/accounts/1/settings/password-links"
INBOX = re.compile(r"/accounts/1/conversations")
PHONE = {"width": 390, "height": 844}
NEW = "a long new password"


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture(scope="module")
def restartable(
    tmp_path_factory: pytest.TempPathFactory, mails: MailServer
) -> Iterator[Restartable]:
    """A server that sends mail."""
    port = free_port()
    environ = {
        "PORT": str(port),
        "RTAPP_URL": f"http://127.0.0.1:{port}",
        "RTAPP_MAIL_URL": mails.url(options="?starttls=off"),
        "RTAPP_MAIL_FROM": "Acme <inbox@example.com>",
        "RTAPP_RATE_LIMITS": "off",
    }
    with Restartable(tmp_path_factory.mktemp("server"), **environ) as server:
        yield server


@pytest.fixture
def stranger(chromium: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """`stranger(url)` opens it in another browser, in which nobody is signed in."""
    contexts = []

    def open_page(url: str, **options: Any) -> Page:
        context = chromium.new_context(**{"base_url": server, "viewport": PHONE, **options})
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def axe() -> str:
    return (installed(AXE) / "axe-core/axe.min.js").read_text()


def made_link(page: Page) -> str:
    return page.get_by_label("The link, to copy").input_value()


def invite(page: Page, email: str) -> str:
    """Make an invitation on the page. Returns its link."""
    page.goto(INVITATIONS)
    new = page.get_by_role("region", name="New invitation")
    new.get_by_label("Email, if you know it").fill(email)
    new.get_by_label("Website chat").check()
    new.get_by_role("button", name="Make an invitation").click()
    return made_link(page)


def mailed_link(mails: MailServer, email: str) -> str:
    """The link of the newest mail to this address."""

    def newest() -> str | None:
        texts = [mail.text for mail in mails.received() if mail.recipients == [email]]
        found = re.search(r"^http://.*token=.*$", texts[-1], re.MULTILINE) if texts else None
        return found[0] if found else None

    return str(eventually(newest, f"a mail to {email}"))


def join(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Join", exact=True).click()
    page.wait_for_url(INBOX)


def row(page: Page, text: str) -> Any:
    return page.locator(".managed > li", has_text=text)


def test_an_invitation_is_accepted_in_a_second_browser_without_javascript_on_a_phone(
    window, stranger
):
    ada = window("ada", java_script_enabled=False, viewport=PHONE)
    ada.locator("#me-menu summary").click()
    ada.get_by_role("link", name="Settings", exact=True).click()
    ada.get_by_role("navigation", name="Settings").get_by_role("link", name="Invitations").click()
    url = invite(ada, "Nora@example.com")
    assert "token=" not in ada.url
    nora = stranger(url, java_script_enabled=False)
    assert nora.url.endswith("/join")  # the address bar and the history have no token
    nora.get_by_label("Name").fill("Nora")
    nora.get_by_label("Password").fill("password")
    expect(nora.get_by_label("Email")).to_have_value("nora@example.com")
    nora.get_by_label("Password").evaluate(
        "field => { field.minLength = 0; field.value = 'short' }"
    )
    nora.get_by_role("button", name="Join", exact=True).click()
    expect(nora.get_by_text("It must have 8 to 1000 characters.")).to_be_visible()
    expect(nora.get_by_label("Name")).to_have_value("Nora")
    join(nora, "Nora")
    expect(nora.locator("#conversations > .row").first).to_be_visible()
    ada.goto(INVITATIONS)
    expect(row(ada, "nora@example.com").first).to_contain_text("by Nora")
    nora.goto(url)
    expect(nora.get_by_text("You are a member already")).to_be_visible()
    again = stranger(url, java_script_enabled=False)
    expect(again.get_by_text("This link was used already")).to_be_visible()


def test_a_message_goes_between_the_inviting_and_the_invited_and_the_page_is_live(window, stranger):
    ada = window("ada", BLANK)
    url = invite(ada, "eve@example.com")
    watching = window("ada", INVITATIONS)
    expect(row(watching, "eve@example.com")).to_contain_text("Open")
    expect(row(watching, "eve@example.com")).to_contain_text("Mailed")  # by itself
    eve = stranger(url, viewport=None)
    join(eve, "Eve")
    expect(row(watching, "eve@example.com")).to_contain_text("by Eve")
    live(ada, "/conversations/1")
    live(eve, "/conversations/1")
    ada.get_by_label("Your message").fill("Welcome, Eve")
    ada.get_by_role("button", name="Send", exact=False).first.click()
    expect(eve.locator("#messages")).to_contain_text("Welcome, Eve")


def test_an_invitation_comes_by_mail_and_a_revoked_one_says_so(window, stranger, mails):
    ada = window("ada", viewport=PHONE)
    url = invite(ada, "olga@example.com")
    assert mailed_link(mails, "olga@example.com") == url
    ada.goto(INVITATIONS)
    row(ada, "olga@example.com").get_by_role("button", name="Revoke").click()
    expect(row(ada, "olga@example.com")).to_contain_text("Revoked")
    olga = stranger(url)
    expect(olga.get_by_text("This link was revoked.")).to_be_visible()


def test_a_member_sets_a_new_password_by_an_administrators_link(window, stranger):
    kevin = window("kevin", BLANK)
    live(kevin, "/accounts/1/conversations")
    ada = window("ada", PASSWORD_LINKS, java_script_enabled=False, viewport=PHONE)
    ada.get_by_label("Member").select_option("Kevin (kevin@example.com)")
    ada.get_by_role("button", name="Make a password link").click()
    second = stranger(made_link(ada), java_script_enabled=False)
    assert second.url.endswith("/password")
    second.get_by_label("New password").fill("password")  # the demo's, so that others go on
    second.get_by_role("button", name="Set the password").click()
    second.wait_for_url(INBOX)
    expect(kevin.locator("#live")).to_contain_text("Signed out")  # at once, in his open page


def test_a_user_who_has_forgotten_the_password_is_mailed_a_link(stranger, mails):
    mails.forget()
    grace = stranger("/login", java_script_enabled=False)
    grace.get_by_role("link", name="Forgotten password?").click()
    grace.get_by_label("Email").fill("grace@example.com")
    grace.get_by_role("button", name="Send a link").click()
    expect(grace.get_by_role("status")).to_contain_text("If this address has an account here")
    grace.goto(mailed_link(mails, "grace@example.com"))
    grace.get_by_label("New password").fill("password")
    grace.get_by_role("button", name="Set the password").click()
    grace.wait_for_url(INBOX)
    unknown = stranger("/forgot")
    unknown.get_by_label("Email").fill("unknown@example.com")
    unknown.get_by_role("button", name="Send a link").click()
    expect(unknown.get_by_role("status")).to_contain_text("If this address has an account here")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_links_fit_a_phone_and_axe_finds_nothing(window, stranger, axe, scheme):
    ada = window("ada", viewport=PHONE, color_scheme=scheme)

    def check(page: Page) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == 390, page.url
        assert complaints(page, axe) == [], page.url

    url = invite(ada, "a.very.long.address.of.somebody@mail.support.example.com")
    check(ada)
    ada.get_by_label("Email, if you know it").fill("kevin@example.com")
    ada.get_by_role("button", name="Make an invitation").click()
    expect(ada.get_by_text("It is that of a member already.")).to_be_visible()
    check(ada)
    ada.goto(PASSWORD_LINKS)
    check(ada)
    ada.get_by_role("button", name="Make a password link").click()
    password = made_link(ada)
    check(ada)
    other = stranger(url, color_scheme=scheme)
    check(other)
    for path in (password, "/forgot", "/login", "/join?token=x"):
        other.goto(path)
        check(other)
    ada.goto(url)  # for another address than hers
    check(ada)


def test_the_longest_address_and_account_name_fit_a_phone(window, stranger):
    ada = window("ada", viewport=PHONE, java_script_enabled=False)

    def name_account(name: str) -> None:
        ada.goto("/accounts/1/settings/account")
        ada.get_by_label("Name of the account").fill(name)
        ada.get_by_role("region", name="Name").get_by_role("button", name="Save").click()

    def width(page: Page) -> int:
        return int(page.evaluate("document.documentElement.scrollWidth"))

    name_account("W" * 200)
    url = invite(ada, f"{'w' * 64}@{'.'.join(['w' * 60] * 3)}.com")
    assert width(ada) == PHONE["width"]
    for page in (stranger(url), stranger(invite(ada, "ines@example.com"))):
        expect(page.get_by_role("heading", name="Join")).to_be_visible()
        assert width(page) == PHONE["width"]
    name_account("Acme")
