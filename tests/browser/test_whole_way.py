"""From an empty database to a team at work, in browsers alone: production as it stands in deploy/,
with PostgreSQL, Redis, two workers of gunicorn from this checkout, and nginx with TLS."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page
from playwright.sync_api import Playwright
from playwright.sync_api import expect

from ..harness.chromium import QUIET
from ..harness.chromium import chromium_path
from ..harness.machine import NAME
from ..harness.machine import ROOT
from ..harness.machine import Machine
from ..harness.machine import needs_programs
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually

PASSWORDS = ["correct horse battery", "staple of the first day", "another one since then"]
pytestmark = [needs_programs, pytest.mark.timeout(900)]
# When the page says that it is no longer live.
WATCH = """() => {
  const live = document.getElementById("live");
  new MutationObserver(() => (window.endedAt ??= Date.now())).observe(live, {
    attributes: true, characterData: true, childList: true, subtree: true,
  });
}"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """The machine with everything started, and an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="rtapp-whole-way-"))
    folder.chmod(0o755)
    machine = Machine(folder)
    try:
        machine.postgres.create()
        machine.postgres.start()
        machine.run("createuser rtapp")
        machine.run("createdb --owner rtapp --encoding UTF8 --template template0 rtapp")
        machine.run("cat deploy/redis.conf >> /etc/redis/redis.conf")
        machine.start_redis()
        machine.run("install --mode 640 deploy/rtapp.env /etc/rtapp.env")
        machine.run('sed -i "s/^SECRET_KEY=.*/SECRET_KEY=$(openssl rand -hex 32)/" /etc/rtapp.env')
        machine.run(rf'sed -i "s/example\.com/{NAME}/" /etc/rtapp.env')
        environ = machine.settings() | {"RTAPP_INSTANCE": machine.environ["RTAPP_INSTANCE"]}
        machine.start("rtapp", [str(ROOT / "bin/start")], ROOT, PATH=os.environ["PATH"], **environ)
        machine.make_certificate()
        machine.run(rf'sed "s/example\.com/{NAME}/" deploy/nginx.conf '
                    "> /etc/nginx/sites-enabled/rtapp")  # fmt: skip
        machine.start_nginx()
        eventually(lambda: is_ready(machine), "the server answers through nginx", 4 * PATIENCE,
                   observed=machine.logs)  # fmt: skip
        yield machine
    finally:
        machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


def is_ready(machine: Machine) -> bool:
    assert all(process.poll() is None for process in machine.running), machine.logs()
    with machine.client() as client:
        try:
            return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def visit(machine: Machine, playwright: Playwright) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own, as if the name led to the machine."""
    names = f"--host-resolver-rules=MAP {NAME}:443 127.0.0.1:{machine.https}"
    browser = playwright.chromium.launch(
        executable_path=chromium_path(), args=[*QUIET, names], headless=True
    )

    def open_page(url: str) -> Page:
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(url)
        return page

    yield open_page
    browser.close()


def show(page: Page, name: str) -> None:
    """Keep a picture, if a folder for them is named."""
    if folder := os.environ.get("RTAPP_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_team_sets_rtapp_up_and_works_without_a_shell(
    machine: Machine, visit: Callable[..., Page]
) -> None:
    site = f"https://{NAME}"
    (link,) = re.findall(rf"{site}/setup\?code=\S+", (machine.folder / "rtapp.log").read_text())

    # A stranger is first, and can't take the server.
    stranger = visit(site)
    expect(stranger).to_have_url(f"{site}/setup")
    expect(stranger.get_by_label("Password")).to_have_count(0)
    show(stranger, "1-stranger")

    # The account, its administrator and the first inbox.
    ada = visit(link)
    expect(ada).to_have_url(f"{site}/setup")
    show(ada, "2-setup")
    ada.get_by_label("Your company or team").fill("Acme")
    ada.get_by_label("Your name").fill("Ada")
    ada.get_by_label("Email").fill("ada@acme.example")
    ada.get_by_label("Password").fill(PASSWORDS[0])
    ada.get_by_role("button", name="Set up and sign in").click()
    expect(ada.locator("#live")).to_contain_text("Live")
    show(ada, "3-inbox")

    # A colleague, by an invitation, in a second browser.
    ada.goto(f"{site}/accounts/1/settings/invitations")
    ada.get_by_label("Email, if you know it").fill("kevin@acme.example")
    ada.get_by_role("group").get_by_role("checkbox").first.check()
    ada.get_by_role("button", name="Make an invitation").click()
    show(ada, "4-invitation")
    kevin = visit(ada.get_by_label("The link, to copy").input_value())
    show(kevin, "5-join")
    kevin.get_by_label("Name", exact=True).fill("Kevin")
    kevin.get_by_label("Password").fill(PASSWORDS[1])
    kevin.get_by_role("button", name="Join", exact=True).click()
    expect(kevin.locator("#live")).to_contain_text("Live")

    # A message between them.
    ada.goto(site)
    expect(ada.locator("#live")).to_contain_text("Live")
    ada.get_by_role("button", name="New conversation").click()
    dialog = ada.get_by_role("dialog")
    dialog.get_by_label("Customer's name").fill("Maria")
    dialog.get_by_label("Email").fill("maria@example.org")
    dialog.get_by_label("Message").fill("Your order is on its way")
    dialog.get_by_role("button", name="Send").click()
    expect(ada.locator("#messages")).to_contain_text("Your order is on its way")
    kevin.locator("#conversations").get_by_text("Maria").click()
    kevin.locator("#composer textarea").fill("It arrives on Friday")
    kevin.locator("#composer").get_by_role("button", name="Send").click()
    expect(ada.locator("#messages")).to_contain_text("It arrives on Friday")
    show(ada, "6-thread")

    # A forgotten password.
    ada.goto(f"{site}/accounts/1/settings/password-links")
    ada.get_by_label("Member").select_option(label="Kevin (kevin@acme.example)")
    ada.get_by_role("button", name="Make a password link").click()
    show(ada, "7-password-link")
    again = visit(ada.get_by_label("The link, to copy").input_value())
    again.get_by_label("New password").fill(PASSWORDS[2])
    again.get_by_role("button", name="Set the password").click()
    expect(again.locator("#live")).to_contain_text("Live")
    expect(kevin.locator("#live")).not_to_contain_text("Live")
    show(kevin, "8-signed-out")

    # He is removed while he reads.
    again.locator("#conversations").get_by_text("Maria").click()
    expect(again.locator("#messages")).to_contain_text("It arrives on Friday")
    again.evaluate(WATCH)
    ada.goto(f"{site}/accounts/1/settings/members")
    row = ada.locator(".managed > li", has_text="Kevin")
    row.get_by_text("Change").click()
    row.get_by_text("Remove", exact=False).first.click()
    with ada.expect_response("**/remove") as removed:
        row.get_by_role("button", name="Remove Kevin").click()
    assert removed.value.status == 303
    answered = 1000 * time.time()
    again.wait_for_function("window.endedAt")
    assert again.evaluate("endedAt") - answered < 1000  # ms
    expect(again.locator("#live")).not_to_contain_text("Live")
    expect(ada.locator(".managed")).not_to_contain_text("Kevin")
    show(again, "9-removed")

    # Nothing secret is where it does not belong.
    log = machine.logs()
    secrets = [*PASSWORDS, "token="]
    assert not [text for text in secrets if text in log]
    assert log.count(link.partition("code=")[2]) == 1  # the line that prints the link
