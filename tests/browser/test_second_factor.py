"""Two-step sign-in in a browser: the picture that an app scans, setting it up, and signing in."""

import base64
import re

import pyotp
import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .. import npm
from .page import BLANK
from .page import live
from .test_inbox_safe import axe
from .test_inbox_safe import complaints
from .test_inbox_safe import looks

__all__ = ["axe"]

NARROW = {"viewport": {"width": 390, "height": 844}}
OWN = "/settings/second-factor"
READ = """async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const {width, height} = image;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  return jsQR(canvas.getImageData(0, 0, width, height).data, width, height)?.data ?? "";
}"""


def scanned(page: Page, picture: bytes) -> str:
    """What a camera reads in the picture."""
    reader = page.context.new_page()
    reader.add_script_tag(path=npm.installed("jsqr@1.4.0") / "jsqr/dist/jsQR.js")
    text = str(reader.evaluate(READ, f"data:image/png;base64,{base64.b64encode(picture).decode()}"))
    reader.close()
    return text


def secret_in(page: Page) -> str:
    return page.locator(".secret").inner_text()


def turn_on(page: Page, code: str) -> None:
    page.get_by_label("Present password").fill("password")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Turn on two-step sign-in").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_is_read_as_the_secret_beside_it(window, scheme):
    page = window("kevin", OWN, color_scheme=scheme)
    text = scanned(page, page.locator(".qr").screenshot())
    assert text.startswith("otpauth://totp/rtapp:kevin")
    assert re.findall(r"secret=(\w+)", text) == [secret_in(page)]


def test_it_is_set_up_and_asked_for_without_javascript_on_a_narrow_screen(window, server):
    page = window("grace", OWN, java_script_enabled=False, **NARROW)
    totp = pyotp.TOTP(secret_in(page))
    turn_on(page, "000000")
    expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
    turn_on(page, totp.now())
    shown = page.locator(".recovery-codes li")
    expect(shown).to_have_count(10)
    codes = shown.all_inner_texts()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("main")).to_contain_text("10 left")
    other = page.context.browser.new_context(base_url=server, java_script_enabled=False, **NARROW)
    fresh = other.new_page()
    fresh.goto("/conversations/2")
    fresh.get_by_label("Email").fill("grace@example.com")
    fresh.get_by_label("Password").fill("password")
    fresh.get_by_role("button", name="Sign in", exact=True).click()
    fresh.get_by_label("Code of your authenticator app").fill(codes[0].upper())
    fresh.get_by_role("button", name="Sign in").click()
    expect(fresh).to_have_url(f"{server}/conversations/2")
    other.close()
    page.get_by_label("Code, to turn it off").fill(codes[1])
    page.get_by_role("button", name="Turn it off").click()
    expect(page.get_by_role("button", name="Turn on two-step sign-in")).to_be_visible()
    live(window("grace", BLANK), "/accounts/1/conversations")  # the password alone again


def test_what_is_turned_on_and_off_in_one_window_shows_in_another_one(window):
    page, other = window("ada", OWN), window("ada", OWN)
    turn_on(page, pyotp.TOTP(secret_in(page)).now())
    shown = page.locator(".recovery-codes li")
    expect(shown).to_have_count(10)
    expect(other.locator("main")).to_contain_text("10 left")
    codes = shown.all_inner_texts()
    other.get_by_label("Code, to turn it off").fill(codes[0])
    other.get_by_role("button", name="Turn it off").click()
    expect(other.get_by_role("button", name="Turn on two-step sign-in")).to_be_visible()
    expect(shown).to_have_count(10)  # a page that nothing has later stays


@looks
def test_axe_finds_no_serious_violation_in_setting_it_up(window, axe, options):
    page = window("kevin", OWN, **options)
    assert complaints(page, axe) == []
    turn_on(page, "000000")
    expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
    assert complaints(page, axe) == []


def test_an_administrator_turns_it_off_for_who_lost_the_app_without_javascript_on_a_phone(window):
    kevin = window("kevin", OWN, java_script_enabled=False, **NARROW)
    turn_on(kevin, pyotp.TOTP(secret_in(kevin)).now())
    expect(kevin.locator(".recovery-codes li")).to_have_count(10)
    ada = window("ada", "/accounts/1/settings/members", java_script_enabled=False, **NARROW)
    row = ada.locator("li", has_text="kevin@example.com")
    row.get_by_text("Change", exact=False).first.click()
    row.get_by_text("Turn off two-step sign-in", exact=False).first.click()
    assert ada.evaluate("document.documentElement.scrollWidth") == 390
    row.get_by_role("button", name="Turn it off for Kevin").click()
    expect(ada.locator("li", has_text="kevin@example.com")).not_to_contain_text("two-step")
    kevin.goto(OWN)
    expect(kevin).to_have_url(re.compile("/login"))  # his sessions have ended
    live(window("kevin", BLANK), "/accounts/1/conversations")  # the password alone
