"""The script of bin/screenshots: pictures of the inbox and of a website's chat on a fresh demo."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect
from playwright.sync_api import sync_playwright

from ..harness.chromium import chromium_path
from .site import Site
from .site import page as page_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/screenshots"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
DEMO_ORIGIN = 8080  # the port of the origin that the demo's website allows
SHOP = page_of(
    "<nav><b>Lumen &amp; Co.</b><span>Lamps</span><span>Shades</span><span>Journal</span></nav>"
    "<main><div></div><section><p>Table lamps</p><h1>Oslo, in night blue</h1><p>A small lamp of "
    "spun steel for desks and window sills. Dims by a touch.</p><h2>€ 89</h2></section></main>"
    "{tag}",
    "<style>body { margin: 0; font: 17px/1.6 Georgia, serif; color: #26303b; background: #faf7f2 }"
    "nav { display: flex; gap: 2rem; padding: 1.5rem 3rem; border-bottom: 1px solid #e6dfd3 }"
    "main { display: flex; gap: 3rem; padding: 3rem } main div { width: 300px; height: 380px; "
    "background: linear-gradient(#dfe6ef, #1f3556); border-radius: 150px 150px 8px 8px }"
    "section { max-width: 22rem } h1 { font-size: 2.2rem; line-height: 1.2 }</style>",
)


@contextmanager
def demo() -> Iterator[str]:
    """Run a server on a fresh demo. Gives its URL."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "PORT": "0", "RTAPP_INSTANCE": folder}
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=environ, stdout=file, stderr=file
            )
        while not (ready := re.search(r"ready: (\S+)", log.read_text())):
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.05)
        yield ready[1]
        process.terminate()
        process.wait(40)


def sign_in(browser: Browser, address: str, name: str, **options: Any) -> Page:
    page = browser.new_context(base_url=address, locale="en-GB", **options).new_page()
    page.goto("/login")
    page.fill("input[name=email]:visible", f"{name}@example.com")
    page.fill("input[name=password]:visible", "password")
    page.press("input[name=password]:visible", "Enter")
    page.wait_for_url("**/conversations")
    return page


def open_live(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator("#live")).to_contain_text("Live")


def picture(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
    print(f"docs/screenshots/{name}.png")


def take(browser: Browser, address: str) -> None:
    kevin = sign_in(browser, address, "kevin", viewport=DESK)
    open_live(kevin, "/conversations/1")
    ada = sign_in(browser, address, "ada", viewport=DESK)
    open_live(ada, "/conversations/1")
    kevin.locator("#composer textarea").press_sequentially("I have asked the cour")
    expect(ada.locator("#typing-line")).to_be_visible()
    expect(ada.locator("#thread-viewers .avatar")).to_be_visible()
    expect(ada.locator("#conversation-1 .badge")).to_be_hidden()  # she has read it
    picture(ada, "inbox")
    ada.emulate_media(color_scheme="dark")
    picture(ada, "dark")
    ada.emulate_media(color_scheme="light")
    ada.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    picture(ada, "mobile")


def take_disconnected(browser: Browser, address: str) -> None:
    kevin = sign_in(browser, address, "kevin", viewport=DESK)
    open_live(kevin, "/conversations/4")
    kevin.context.set_offline(True)
    kevin.fill("#composer textarea", "I can hold the price until Friday.")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#live")).to_contain_text("for", timeout=30_000)
    expect(kevin.locator("#sending [data-state=failed]")).to_be_visible(timeout=30_000)
    picture(kevin, "disconnected")


def take_chat(browser: Browser, address: str) -> None:
    site = Site(address, "demo", DEMO_ORIGIN)
    policy = "script-src {ours}; frame-src {ours}; style-src 'unsafe-inline'"
    site.pages["/"] = (SHOP.replace("{tag}", site.tag), policy)
    site.start()
    ada = sign_in(browser, address, "ada", viewport=DESK)
    options: dict[str, Any] = {"locale": "en-GB", "viewport": DESK}
    visitor = browser.new_context(**options).new_page()
    visitor.goto(site.origin)
    with visitor.expect_event("framenavigated", lambda frame: "/chat/" in frame.url) as opened:
        visitor.evaluate("rtappChat.open()")
    chat = opened.value
    chat.get_by_label("Your message").fill("Hello! Does the Oslo lamp come with a longer cable?")
    chat.get_by_label("Your message").press("Enter")
    ada.get_by_role("link", name=re.compile("Visitor")).first.click()
    expect(ada.locator("#live")).to_contain_text("Live")
    ada.fill("#composer textarea", "It does: **3 metres**, at no extra cost. Shall I add it?")
    ada.keyboard.press("Enter")
    expect(chat.get_by_text("3 metres")).to_be_visible()
    ada.locator("#composer textarea").press_sequentially("By the way")
    expect(chat.locator(".dots")).to_be_visible()
    picture(visitor, "chat")
    site.stop()


def main() -> None:
    chromium = chromium_path()
    if chromium is None:
        sys.exit("There is no Chromium on the PATH.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take(browser, address)
        take_disconnected(browser, address)
        take_chat(browser, address)
        browser.close()


if __name__ == "__main__":
    main()
