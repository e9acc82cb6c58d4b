"""Files in the inbox: chosen, pasted and dropped, sent with a reply or a note, and shown."""

import io
import itertools
import re

import pytest
from PIL import Image
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live
from .test_inbox_safe import axe
from .test_settings import complaints

__all__ = ["axe"]

# Each test has its own: drafts stay on the server. 2 and 3 are open.
THREADS = itertools.cycle((2, 5, 3, 4))


def png(width: int, height: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(written, "PNG")
    return written.getvalue()


PICTURE = {"name": "lamp.png", "mimeType": "image/png", "buffer": png(800, 400)}
TEXT = {"name": "sizes.csv", "mimeType": "text/csv", "buffer": b"lamp,cm\nOslo,40\n"}


@pytest.fixture
def thread() -> int:
    return next(THREADS)


@pytest.fixture
def page(window, thread) -> Page:
    page: Page = live(window("ada", BLANK), f"/conversations/{thread}")
    return page


@pytest.fixture
def colleague(window, thread) -> Page:
    page: Page = live(window("kevin", BLANK), f"/conversations/{thread}")
    return page


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your message")


def files(page: Page) -> Locator:
    return page.get_by_role("list", name="Files to send").get_by_role("listitem")


def choose(page: Page, *chosen: dict[str, object]) -> None:
    box(page).focus()
    page.get_by_label("Attach files").set_input_files(list(chosen))


def last(page: Page) -> Locator:
    return page.locator("#messages > .message").last


def is_shown(picture: Locator) -> bool:
    return bool(picture.evaluate("(img) => img.decode().then(() => img.naturalWidth > 0)"))


def drop(page: Page, name: str, text: str) -> None:
    """As a file manager does, over the thread."""
    page.evaluate(
        """async ([name, text]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], name));
          const fire = (type) => document.body.dispatchEvent(
            new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
          fire("dragenter");
          while (fire("dragover")) await new Promise((resolve) => setTimeout(resolve, 10));
          fire("drop");
        }""",
        [name, text],
    )


def test_a_picture_and_a_file_are_sent_and_a_colleague_sees_them_at_once(page, colleague):
    choose(page, PICTURE, TEXT)
    uploaded = [re.compile(f"{name}.*Uploaded") for name in ("lamp.png", "sizes.csv")]
    expect(files(page)).to_have_text(uploaded)
    box(page).fill("Look")
    page.keyboard.press("Enter")
    expect(files(page)).to_have_count(0)
    for window in (page, colleague):
        expect(last(window)).to_contain_text("Look")
        expect(last(window).get_by_role("link", name="sizes.csv")).to_be_visible()
        picture = last(window).get_by_role("img", name="lamp.png")
        assert is_shown(picture)
        assert (picture.get_attribute("width"), picture.get_attribute("height")) == ("240", "120")
    with colleague.expect_download() as started:
        last(colleague).get_by_role("link", name="sizes.csv").click()
    assert started.value.suggested_filename == "sizes.csv"
    assert started.value.path().read_bytes() == TEXT["buffer"]


def test_a_message_that_is_sent_during_an_upload_follows_it(page, colleague):
    arrived: list[int] = []
    page.route("**/attachments", lambda route: (arrived.append(1), route.continue_()))
    large = {**TEXT, "name": "large.txt", "buffer": b"x" * (10 * 1024 * 1024)}
    choose(page, large, TEXT)
    box(page).fill("Both")
    page.keyboard.press("Enter")
    expect(last(colleague)).to_contain_text("Both")
    expect(last(colleague).get_by_role("link", name="large.txt")).to_be_visible()
    expect(last(colleague).get_by_role("link", name="sizes.csv")).to_be_visible()
    expect(box(page)).to_have_value("")
    assert len(arrived) == 2


def test_files_are_sent_without_a_text_and_the_list_names_them(page, colleague, thread):
    choose(page, PICTURE)
    expect(files(page)).to_contain_text("Uploaded")
    page.get_by_role("button", name="Send").click()
    expect(last(colleague).get_by_role("img", name="lamp.png")).to_be_visible()
    expect(colleague.locator(f"#conversation-{thread}")).to_contain_text("lamp.png")
    expect(page.locator("#sending > li")).to_have_count(0)
    assert not last(page).evaluate("(message) => message.classList.contains('deleted')")


def test_a_file_of_a_note_is_not_sent_with_a_reply(page, colleague):
    page.get_by_label("Private note").check()
    choose(page, TEXT)
    expect(files(page)).to_contain_text("Uploaded")
    page.get_by_label("Private note").uncheck()
    expect(files(page)).to_have_count(0)
    box(page).fill("A reply")
    page.keyboard.press("Enter")
    expect(last(colleague)).to_contain_text("A reply")
    expect(last(colleague).get_by_role("link", name="sizes.csv")).to_have_count(0)
    page.get_by_label("Private note").check()
    expect(files(page)).to_have_count(1)
    page.get_by_role("button", name="Add note").click()
    expect(last(colleague).get_by_role("link", name="sizes.csv")).to_be_visible()
    expect(last(colleague)).to_contain_text("Private note")


def test_a_dropped_file_is_uploaded_and_the_page_stays(page):
    address = page.url
    drop(page, "dropped.txt", "hello")
    expect(files(page)).to_contain_text("dropped.txt")
    expect(files(page)).to_contain_text("Uploaded")
    assert page.url == address
    page.get_by_role("button", name="Remove dropped.txt").click()
    expect(files(page)).to_have_count(0)


def test_a_pasted_picture_is_a_file_and_a_pasted_text_is_a_text(page):
    box(page).focus()
    choose(page, TEXT)  # the module is loaded
    expect(files(page)).to_contain_text("Uploaded")
    paste = """async (text) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File(["x"], "pasted.txt", { type: "text/plain" }));
      if (text) clipboardData.setData("text/plain", text);
      const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
      document.querySelector("#reply").dispatchEvent(event);
      return event.defaultPrevented;
    }"""
    assert not page.evaluate(paste, "a table")
    expect(files(page)).to_have_count(1)
    assert page.evaluate(paste, "")
    expect(files(page)).to_have_count(2)


def test_what_is_not_taken_says_why_and_is_not_left_out_silently(page, colleague):
    before = colleague.locator("#messages > .message").count()
    choose(
        page,
        {"name": "page.html", "mimeType": "text/html", "buffer": b"<!DOCTYPE html><p>Hi"},
        {"name": "large.txt", "mimeType": "text/plain", "buffer": b"x" * (10 * 1024 * 1024 + 1)},
    )
    expect(files(page).first).to_contain_text("markup")
    expect(files(page).last).to_contain_text("larger than 10 MiB")
    box(page).fill("With two files")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="could not be uploaded")).to_be_visible()
    expect(box(page)).to_have_value("With two files")
    assert colleague.locator("#messages > .message").count() == before
    page.get_by_role("button", name="Remove page.html").click()
    page.get_by_role("button", name="Remove large.txt").click()
    page.keyboard.press("Enter")
    expect(last(colleague)).to_contain_text("With two files")


def test_an_upload_that_fails_is_tried_again_and_the_draft_stays(page, restartable):
    storage = restartable.folder / "files"
    storage.mkdir(exist_ok=True)
    kept = storage.rename(storage.with_name("kept"))
    storage.write_bytes(b"no folder")
    box(page).fill("With a file")
    choose(page, TEXT)
    expect(files(page)).to_contain_text("The storage of files is not available now.")
    storage.unlink()
    kept.rename(storage)
    page.get_by_role("button", name="Try again").click()
    expect(files(page)).to_contain_text("Uploaded")
    expect(box(page)).to_have_value("With a file")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Send").click()
    expect(last(page).get_by_role("link", name="sizes.csv")).to_be_visible()


def test_uploaded_files_outlive_a_reload(page, colleague):
    choose(page, PICTURE)
    expect(files(page)).to_contain_text("Uploaded")
    page.reload()
    expect(page.locator("#live")).to_contain_text("Live")
    box(page).focus()
    expect(files(page)).to_contain_text("lamp.png")
    page.get_by_role("button", name="Send").click()
    expect(last(colleague).get_by_role("img", name="lamp.png")).to_be_visible()


def test_an_eleventh_file_is_left_out_and_named(page):
    choose(page, *({**TEXT, "name": f"{number}.csv"} for number in range(11)))
    expect(files(page)).to_have_count(10)
    expect(page.get_by_role("alert").filter(has_text="10 files")).to_be_visible()


def test_deleting_the_message_takes_its_files_from_both_windows(page, colleague):
    choose(page, PICTURE)
    expect(files(page)).to_contain_text("Uploaded")
    page.get_by_role("button", name="Send").click()
    shown = last(colleague).get_by_role("img", name="lamp.png")
    expect(shown).to_be_visible()
    message = (last(colleague).get_attribute("id") or "").partition("-")[2]
    act(page, f"/messages/{message}/delete")
    for window in (page, colleague):
        expect(window.locator(f"#message-{message}")).to_contain_text("This message was deleted.")
        expect(window.locator(f"#message-{message} img")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1280])
def test_files_are_read_without_scripts_and_axe_finds_nothing(
    page, window, thread, axe, width, writer
):
    page.emulate_media(reduced_motion="reduce")
    choose(page, PICTURE, TEXT)
    expect(files(page).last).to_contain_text("Uploaded")
    page.set_viewport_size({"width": width, "height": 800})
    assert complaints(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Send").click()
    expect(last(page).get_by_role("img", name="lamp.png")).to_be_visible()
    expect(page.locator("#sending > li")).to_have_count(0)
    assert complaints(page, axe) == []
    plain = window(
        "kevin", f"/conversations/{thread}", java_script_enabled=False,
        viewport={"width": width, "height": 800},
    )  # fmt: skip
    expect(last(plain).get_by_role("img", name="lamp.png")).to_be_visible()
    expect(plain.get_by_label("Attach files")).to_be_hidden()
    last(plain).get_by_role("link", name="lamp.png").click()
    assert plain.url.partition("/attachments/")[1]
