"""Pictures and files in the chat, from both sides."""

import io
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page
from playwright.sync_api import expect

from .test_chat import bubbles
from .test_chat import field
from .test_chat import start
from .test_chat import token
from .test_chat import visitor
from .test_chat import write
from .test_inbox_safe import axe
from .test_links import complaints

__all__ = ["axe", "visitor"]

DROP = """([name, type, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type }));
  const drop = { dataTransfer: data, bubbles: true, cancelable: true };
  document.getElementById("chat").dispatchEvent(new DragEvent("drop", drop));
}"""


def png(width: int = 600, height: int = 300) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), "#178344").save(data, "PNG")
    return data.getvalue()


def choose(page: Page, *files: tuple[str, str, bytes]) -> None:
    chosen: Any = [{"name": name, "mimeType": type, "buffer": data} for name, type, data in files]
    page.locator("input[type=file]").set_input_files(chosen)


def uploaded(page: Page, files: int = 1) -> None:
    """Wait until the files below the thread are on the server."""
    expect(page.locator(".tray li")).to_have_count(files)
    expect(page.locator(".tray progress:visible")).to_have_count(0)


def upload(page: Page, conversation: int, name: str, data: bytes) -> str:
    """Upload a file as the page's agent, and return its key."""
    csrf = page.request.post("/login", data={"email": "ada@example.com", "password": "password"})
    answer = page.request.post(
        f"/conversations/{conversation}/attachments",
        multipart={"file": {"name": name, "mimeType": "image/png", "buffer": data}},
        headers={"X-CSRF-Token": csrf.headers["x-csrf-token"]},
    )
    assert answer.status == 201, answer.text()
    return str(answer.json()["attachment"]["key"])


def test_pictures_and_files_go_both_ways_and_survive_a_reload(visitor, window, ada, axe):
    vera = visitor()
    expect(vera.get_by_role("button", name="Attach files")).to_be_hidden()  # a text comes first
    conversation = start(vera, "Look at this")
    expect(vera.get_by_role("button", name="Attach files")).to_be_visible()
    choose(vera, ("lamp.png", "image/png", png()), ("notes.txt", "text/plain", b"One\nTwo"))
    uploaded(vera, 2)
    assert complaints(vera, axe) == []
    vera.get_by_role("button", name="Send").click()
    picture = vera.locator(".mine .picture img")
    expect(picture).to_have_js_property("naturalWidth", 480)
    expect(vera.locator(".mine .file")).to_contain_text("notes.txt")
    expect(vera.locator(".tray")).to_have_count(0)
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    sent = ada.newest(conversation)[-1]
    assert [each["name"] for each in sent["attachments"]] == ["lamp.png", "notes.txt"]
    key = upload(window("ada"), conversation, "answer.png", png(40, 30))
    ada.say(conversation, "Like this?", attachments=[key])
    expect(vera.locator(".theirs .picture img")).to_have_js_property("naturalWidth", 40)
    vera.reload()
    expect(vera.locator(".theirs .picture img")).to_have_js_property("naturalWidth", 40)
    with vera.expect_download() as saved:
        vera.locator(".mine .file").click()
    assert saved.value.suggested_filename == "notes.txt"
    vera.get_by_role("button", name="All conversations").click()
    vera.get_by_role("button", name="New conversation").click()
    assert start(vera, "Another matter") != conversation
    assert complaints(vera, axe) == []


def test_a_dropped_file_is_sent_with_a_text(visitor, ada):
    vera = visitor()
    conversation = start(vera)
    vera.evaluate(DROP, ["sizes.csv", "text/csv", "lamp,cm\nOslo,40\n"])
    expect(vera.locator(".tray li")).to_contain_text("sizes.csv")
    uploaded(vera)
    write(vera, "The sizes")
    expect(vera.locator(".mine .file")).to_contain_text("sizes.csv")
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    newest = ada.newest(conversation)[-1]
    assert len(newest["attachments"]) == 1


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("huge.png", b"x" * (10 * 1024 * 1024 + 1), "Larger than 10 MB"),
        ("no_picture.png", b"\x89PNG\r\n\x1a\n" + b"x" * 1000, "This kind of file can't be sent"),
        ("script.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
         "This kind of file can't be sent"),
    ],
    ids=["too large", "no picture", "an SVG with a script"],
)  # fmt: skip
def test_a_file_that_is_refused_says_why_and_the_text_stays(visitor, ada, name, data, sentence):
    vera = visitor()
    conversation = start(vera)
    field(vera).fill("My text")
    choose(vera, (name, "image/png", data))
    expect(vera.locator(".tray .state")).to_have_text(sentence)
    vera.get_by_role("button", name="Send").click()
    expect(vera.locator(".bar")).to_contain_text("A file was not uploaded")
    expect(field(vera)).to_have_value("My text")
    vera.get_by_role("button", name="Remove").click()
    expect(vera.locator(".tray")).to_have_count(0)
    vera.get_by_role("button", name="Send").click()
    expect(bubbles(vera).last).to_have_text("My text")
    assert ada.newest(conversation)[-1]["attachments"] == []


def test_an_upload_that_is_cut_can_be_tried_again(visitor):
    vera = visitor()
    start(vera)
    vera.route("**/attachments", lambda route: route.abort())
    choose(vera, ("notes.txt", "text/plain", b"One"))
    expect(vera.locator(".tray .state")).to_have_text("Not uploaded")
    vera.unroute_all()
    vera.locator(".tray").get_by_role("button", name="Try again").click()
    uploaded(vera)
    vera.get_by_role("button", name="Send").click()
    expect(vera.locator(".mine .file")).to_contain_text("notes.txt")


def test_another_visitor_does_not_get_the_file(visitor, ada):
    vera, will = visitor(), visitor()
    conversation = start(vera)
    choose(vera, ("notes.txt", "text/plain", b"Secret"))
    uploaded(vera)
    vera.get_by_role("button", name="Send").click()
    expect(vera.locator(".mine .file")).to_be_visible()
    expect(vera.locator(".sending")).to_have_count(0)
    url = ada.newest(conversation)[-1]["attachments"][0]["url"]
    start(will)
    for page, status in ((vera, 200), (will, 404)):
        headers = {"Authorization": f"Bearer {token(page)}"}
        assert page.request.get(url, headers=headers).status == status
