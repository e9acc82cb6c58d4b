"""Two tabs of one user, with random keys, clicks, lost connections, reloads and closed tabs: every
word that was typed is in the thread, unsent, or in a draft, and no note was sent as a reply."""

import os
import random
import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import BLANK
from .page import live
from .writer import Writer

STEPS = 2_000 if os.environ.get("RTAPP_SOAK") else 40
CONVERSATIONS = (3, 4)
WORD = re.compile(r"(note|reply)\d+")
TYPE = """(box, number) => {
  const word = `${box.form.elements.private.checked ? "note" : "reply"}${number}`;
  box.setSelectionRange(box.value.length, box.value.length);
  box.focus();
  document.execCommand("insertText", false, `${word} `);
  return word;
}"""


class User:
    """A user's browser with two tabs, and every word that was typed in it."""

    def __init__(self, context: BrowserContext, seed: int):
        self.context, self.random = context, random.Random(seed)
        self.tabs: list[Page] = []
        self.typed: list[str] = []
        self.is_away = False
        for _ in range(2):
            self.open_a_tab()

    def open_a_tab(self) -> None:
        page = self.context.new_page()
        page.goto(f"/conversations/{self.random.choice(CONVERSATIONS)}?status=any")
        expect(page.locator("#composer")).to_be_visible()
        self.tabs.append(page)

    def step(self) -> str:
        steps: list[Callable[[Page], None]] = [
            self.type, self.type, self.type, self.switch, self.send, self.send, self.escape,
            self.note, self.reply, self.go_elsewhere, self.go_back, self.reload, self.close,
            self.lose_or_regain,
        ]  # fmt: skip
        step = self.random.choice(steps)
        step(self.random.choice(self.tabs))
        return step.__name__

    def type(self, page: Page) -> None:
        """Type a word into the box, at its end, in one go: neither a reload nor another thread in
        its place can split it."""
        word = page.locator("#composer textarea").evaluate(TYPE, len(self.typed))
        self.typed.append(word)

    def switch(self, page: Page) -> None:
        page.get_by_label("Private note").click()

    def send(self, page: Page) -> None:
        page.locator("#composer textarea").press("Enter")

    def escape(self, page: Page) -> None:
        page.keyboard.press("Escape")

    def note(self, page: Page) -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("n")

    def reply(self, page: Page) -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("r")

    def go_elsewhere(self, page: Page) -> None:
        other = self.random.choice(CONVERSATIONS)
        page.locator(f"#conversation-{other} a").click()
        expect(page.locator("body")).to_have_attribute("data-conversation", str(other))
        expect(page.locator("#thread")).not_to_have_attribute("aria-busy", "true")

    def go_back(self, page: Page) -> None:
        page.go_back()
        if not re.search(r"/conversations/[34]\?", page.url):
            page.goto(f"/conversations/{CONVERSATIONS[0]}?status=any")
        number = page.url.rpartition("/")[2].partition("?")[0]
        expect(page.locator("body")).to_have_attribute("data-conversation", number)
        expect(page.locator("#composer")).to_be_visible()

    def reload(self, page: Page) -> None:
        page.reload()
        expect(page.locator("#composer")).to_be_visible()

    def close(self, page: Page) -> None:
        self.tabs.remove(page)
        page.close()
        self.open_a_tab()

    def lose_or_regain(self, page: Page) -> None:
        """No action reaches the server from now on, or all do again."""
        self.is_away = not self.is_away
        if self.is_away:
            self.context.route(re.compile("/(messages|draft)$"), lambda route: route.abort())
        else:
            self.context.unroute(re.compile("/(messages|draft)$"))


def written(user: User, writer: Writer) -> dict[str, list[tuple[str, str]]]:
    """Word → where it is, as (place, kind)."""
    found: dict[str, list[tuple[str, str]]] = {word: [] for word in user.typed}

    def add(text: str, place: str, kind: str) -> None:
        for match in WORD.finditer(text):
            found.setdefault(match[0], []).append((place, kind))

    for conversation in CONVERSATIONS:
        for message in writer.messages(conversation):
            add(message["content"], "thread", "note" if message["private"] else "reply")
    for key, value in user.tabs[0].evaluate("Object.entries({...localStorage})"):
        if key.startswith("rtapp.unsent."):
            kept = user.tabs[0].evaluate("text => JSON.parse(text)", value)
            add(kept["content"], "unsent", "note" if kept["private"] else "reply")
        if re.fullmatch(r"rtapp\.draft\.\d+\.\d+", key):
            kept = user.tabs[0].evaluate("text => JSON.parse(text)", value)
            for kind in ("note", "reply"):
                add(f"{kept[kind]} {kept['other'][kind]}", "draft", kind)
    return found


def test_no_word_is_lost_and_no_note_is_sent_as_a_reply_in_two_tabs(window, writer):
    first = live(window("kevin", BLANK), "/conversations/3")
    seed = random.randrange(10**6)
    user = User(first.context, seed)
    first.close()
    steps: list[str] = []
    try:
        for _ in range(STEPS):
            steps.append(user.step())
            if len(steps) % 20 == 0:
                check(user, writer)
        if user.is_away:
            user.lose_or_regain(user.tabs[0])
        user.reload(user.tabs[0])
        unsent = "Object.keys(localStorage).filter(key => key.startsWith('rtapp.unsent.')).length"
        eventually(
            lambda: not user.tabs[0].evaluate(unsent),
            "what was unsent is sent by itself",
        )
        check(user, writer)
    except Exception as error:
        raise AssertionError(f"seed {seed}, after {steps[-12:]}: {error}") from error
    assert len(user.typed) > STEPS / 10


def check(user: User, writer: Writer) -> None:
    found = written(user, writer)
    missing = [word for word, places in found.items() if not places]
    assert not missing, f"lost: {missing}"
    for word, places in found.items():
        kinds = {kind for _, kind in places}
        assert kinds == {re.sub(r"\d", "", word)}, f"{word} is in {places}"
