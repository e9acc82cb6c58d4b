"""A note is never a reply: what is written as one is kept, shown and sent as one."""

import itertools
import os
import random

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import live

THREADS = itertools.cycle((2, 3, 4, 5))  # each test has its own: drafts stay on the server
STEPS = 2_000 if os.environ.get("RTAPP_SOAK") else 120
PLACEHOLDERS = {True: "Write a note for your team…", False: "Write to "}


@pytest.fixture
def page(window) -> Page:
    page: Page = live(window("ada", BLANK), f"/conversations/{next(THREADS)}")
    return page


def thread(page: Page) -> int:
    return int(page.locator("body").get_attribute("data-conversation") or "")


def box(page: Page):
    return page.get_by_role("textbox", name="Your message")


def test_what_was_written_as_a_note_is_not_sent_by_a_reply(page, writer):
    page.keyboard.press("n")
    page.keyboard.type("He was rude again")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("")
    expect(page.get_by_text("Your note is kept.")).to_be_visible()
    page.keyboard.type("Thank you for your patience")
    page.keyboard.press("Enter")
    arrived = page.locator("#messages > .message")  # not one on its way
    expect(arrived.filter(has_text="Thank you for your patience")).to_have_count(1)
    sent = {row["content"]: row["private"] for row in writer.newest(thread(page))}
    assert sent["Thank you for your patience"] is False
    assert "He was rude again" not in sent
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(box(page)).to_have_value("He was rude again")
    page.keyboard.press("Enter")
    expect(arrived.filter(has_text="rude again")).to_have_count(1)
    assert {row["content"]: row["private"] for row in writer.newest(thread(page))}[
        "He was rude again"
    ] is True


def test_the_switch_changes_the_box_and_not_the_readers_of_what_is_in_it(page):
    page.keyboard.press("r")
    page.keyboard.type("Half a reply")
    page.get_by_label("Private note").click()
    expect(box(page)).to_have_value("")
    expect(page.get_by_text("Your reply is kept.")).to_be_visible()
    box(page).fill("A note beside it")
    page.reload()
    expect(box(page)).to_have_value("A note beside it")
    expect(page.get_by_label("Private note")).to_be_checked()
    page.get_by_label("Private note").click()
    expect(box(page)).to_have_value("Half a reply")


def test_two_tabs_on_one_thread_write_on_one_draft(page, writer):
    other = live(page.context.new_page(), page.url)
    page.keyboard.press("r")
    page.keyboard.type("Begun in one tab")
    expect(box(other)).to_have_value("Begun in one tab")
    other.keyboard.press("r")
    other.keyboard.press("End")
    other.keyboard.type(", ended in the other")
    expect(box(page)).to_have_value("Begun in one tab, ended in the other")
    other.keyboard.press("Enter")
    expect(box(page)).to_have_value("")
    sent = page.locator(".message", has_text="Begun in one tab, ended in the other")
    expect(sent).to_have_count(1)
    other.close()


class Model:
    """What the box must have, after any sequence of steps."""

    def __init__(self, page: Page, seed: int):
        self.page, self.random = page, random.Random(seed)
        self.texts = {True: "", False: ""}  # by whether it is private
        self.private = False
        self.focused = False
        self.count = 0
        self.offline = False

    def step(self) -> str:
        step = self.random.choice(
            [self.note, self.reply, self.escape, self.type, self.type, self.switch, self.send,
             self.reload, self.fail]
        )  # fmt: skip
        step()
        return step.__name__

    def shortcut(self, key: str, private: bool) -> None:
        if self.focused:
            self.escape()
        self.page.keyboard.press(key)
        self.private, self.focused = private, True

    def note(self) -> None:
        self.shortcut("n", True)

    def reply(self) -> None:
        self.shortcut("r", False)

    def escape(self) -> None:
        self.page.keyboard.press("Escape")
        self.focused = False

    def type(self) -> None:
        if self.focused:
            self.count += 1
            text = f"{'note' if self.private else 'reply'}{self.count} "
            self.page.keyboard.type(text)
            self.texts[self.private] += text

    def switch(self) -> None:
        self.page.get_by_label("Private note").click()
        self.private = not self.private
        self.escape()

    def send(self) -> None:
        if self.focused:
            self.page.keyboard.press("Enter")
            self.texts[self.private] = ""

    def reload(self) -> None:
        self.page.reload()
        expect(self.page.locator("#live")).to_have_attribute("data-state", "live")
        self.focused = False
        if not any(self.texts.values()):
            self.private = self.page.get_by_label("Private note").is_checked()

    def fail(self) -> None:
        """Sending fails from now on, or succeeds again."""
        self.offline = not self.offline
        if self.offline:
            self.page.route("**/messages", lambda route: route.abort())
        else:
            self.page.unroute("**/messages")

    def check(self) -> None:
        expect(box(self.page)).to_have_value(self.texts[self.private])
        expect(self.page.get_by_label("Private note")).to_be_checked(checked=self.private)
        shown = box(self.page).get_attribute("placeholder") or ""
        assert shown.startswith(PLACEHOLDERS[self.private])


def test_no_note_leaves_as_a_reply_in_random_sequences(page, writer):
    seed = random.randrange(10**6)
    model = Model(page, seed)
    steps = []
    try:
        for _ in range(STEPS):
            steps.append(model.step())
            model.check()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, after {steps[-12:]}: {error}") from error
    if model.offline:
        model.fail()
    for step in (model.note, model.type, model.send, model.reply, model.type, model.send):
        step()  # by chance nothing may have been sent yet
        model.check()
    # In one go: one that is sent by itself meanwhile has no button any more.
    page.evaluate("document.querySelectorAll('#sending [data-retry]').forEach((b) => b.click())")
    expect(page.locator("#sending > .message")).to_have_count(0)
    sent = [
        row for row in writer.newest(thread(page)) if row["content"].startswith(("note", "reply"))
    ]
    assert sent, "nothing was sent"
    for row in sent:
        assert row["private"] is row["content"].startswith("note"), row
        assert ("reply" in row["content"]) is not row["private"], row
