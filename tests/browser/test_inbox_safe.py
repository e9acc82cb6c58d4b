"""The page's size, its loads and scripts, and its accessibility."""

from collections.abc import Iterator
from urllib.parse import quote
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..npm import installed
from .page import BLANK
from .page import act
from .page import live
from .proxy import Proxy

AXE = "axe-core@4.10.2"
MARKUP = (
    "</p></template></turbo-stream><img src=x onerror=\"window.hacked='yes'\">"
    "<script>window.hacked='yes'</script>\"'><svg onload=\"window.hacked='yes'\">@Ada {{7*7}}"
)


class Counting(Proxy):
    """Notes the static files that a browser asks the server for."""

    def __init__(self, server: str):
        self.files: list[str] = []
        super().__init__(server)

    def request(self, request: bytes) -> bytes:
        path = request.decode("latin-1").split(" ")[1]
        if path.startswith("/static/"):
            self.files.append(path)
        return request


@pytest.fixture
def counting(server: str) -> Iterator[Counting]:
    proxy = Counting(server)
    yield proxy
    proxy.stop()


def loaded(page: Page) -> dict[str, int]:
    """The static files of the page: address → bytes of the body as it was sent. Without its icon,
    of which there are two, by what is unread."""
    return page.evaluate(
        """() => Object.fromEntries(performance.getEntriesByType("resource")
          .filter((entry) => entry.name.includes("/static/") && !entry.name.includes("/icon"))
          .map((entry) => [entry.name, entry.encodedBodySize]))"""
    )


def test_a_page_loads_each_static_file_once_and_compressed_and_the_next_page_asks_for_none(
    window, counting
):
    kevin = window("kevin", BLANK, base_url=counting.address)
    live(kevin, "/conversations/1")
    files = loaded(kevin)
    scripts = sum(size for name, size in files.items() if name.endswith(".js"))
    styles = sum(size for name, size in files.items() if name.endswith(".css"))
    print(f"{len(files)} files, JavaScript {scripts} bytes, CSS {styles} bytes")
    assert 10_000 < scripts < 40_000
    assert 1_000 < styles < 20_000
    assert len(counting.files) >= len(files) > 30
    assert len(counting.files) == len(set(counting.files))
    for path in ("/conversations/2", "/accounts/1/conversations", "/conversations/1"):
        counting.files.clear()
        live(kevin, path)
        assert loaded(kevin).keys() == files.keys()
        assert [file for file in counting.files if "/icon" not in file] == []


def test_the_page_loads_from_its_server_only_and_violates_no_content_security_policy(window):
    kevin = window("kevin")
    asked: list[str] = []
    said: list[str] = []
    kevin.on("request", lambda request: asked.append(request.url))
    kevin.on("console", lambda message: said.append(message.text))
    live(kevin, "/conversations/1")
    kevin.locator("#status-menu summary").click()
    kevin.locator("#me-menu summary").click()
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
    assert hosts == {urlsplit(kevin.url).netloc}
    policy = kevin.request.get("/conversations/1", headers={"Accept": "text/html"}).headers[
        "content-security-policy"
    ]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert [text for text in said if "Content Security Policy" in text] == []
    assert kevin.locator("[style]:not(textarea)").count() == 0


def test_markup_in_messages_names_searches_and_notes_stays_text_in_other_windows(window):
    ada, kevin = window("ada"), live(window("kevin", BLANK), "/conversations/1")
    new = {"inbox_id": 1, "contact": {"name": MARKUP[:200], "email": "<b>@x.example"}}
    live(ada, "/conversations/1")
    act(ada, "/conversations/1/messages", content=MARKUP, client_id='"><img src=x onerror=a()>')
    act(ada, "/conversations/1/messages", content=f"@Kevin {MARKUP}", private=True)
    made = act(ada, "/accounts/1/conversations", **new, content=MARKUP).json()["id"]
    act(ada, f"/conversations/{made}/assignee", assignee_id=2)
    expect(kevin.locator("#messages > .message").last).to_contain_text("onerror")
    expect(kevin.locator("#notifications > li").first).to_contain_text("onerror")
    expect(kevin.locator(f"#conversation-{made}")).to_contain_text("onerror")
    for path in (f"/conversations/{made}", f"/accounts/1/conversations?q={quote(MARKUP[:150])}"):
        live(kevin, path)
        assert "onerror" in kevin.content()
        untouched(kevin)
    live(kevin, "/conversations/1")
    untouched(kevin)
    kevin.fill("#composer textarea", MARKUP)
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#messages > .message").last).to_contain_text("Kevin")
    untouched(kevin)
    untouched(ada)


def untouched(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, svg[onload], script:not([src]), [onerror]").count() == 0


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's source."""
    return (installed(AXE) / "axe-core/axe.min.js").read_text()


def complaints(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{violation['impact']} {violation['id']}: {node['html'][:160]} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


DESK = {"width": 1280, "height": 800}


looks = pytest.mark.parametrize(
    "options",
    [
        {"viewport": DESK},
        {"viewport": DESK, "color_scheme": "dark"},
        {"viewport": DESK, "forced_colors": "active"},
        {"viewport": {"width": 390, "height": 844}},
    ],
    ids=["light", "dark", "forced colours", "mobile"],
)


@looks
def test_axe_finds_no_serious_violation_on_any_page_or_menu(window, chromium, server, axe, options):
    context = chromium.new_context(base_url=server, reduced_motion="reduce", **options)
    login = context.new_page()
    login.goto("/login")
    assert complaints(login, axe) == []
    context.close()
    kevin = live(window("kevin", reduced_motion="reduce", **options), "/accounts/1/conversations")
    assert complaints(kevin, axe) == []
    live(kevin, "/conversations/1")
    expect(kevin.locator("#messages .dot[data-status]").first).to_be_attached()
    assert complaints(kevin, axe) == []
    for menu in ("#status-menu", "#me-menu", "#notifications-menu"):
        kevin.locator(f"{menu} summary").click()
        assert complaints(kevin, axe) == [], menu
    kevin.keyboard.press("Escape")
    kevin.get_by_role("button", name="New conversation").click()
    assert complaints(kevin, axe) == []


@looks
def test_axe_finds_no_serious_violation_on_the_pages_beside_the_inbox(window, axe, options):
    ada = window("ada", BLANK, reduced_motion="reduce", **options)
    for path in ("labels", "canned-replies", "inboxes"):
        ada.goto(f"/accounts/1/{path}")
        assert complaints(ada, axe) == [], path
    for path in ("/contacts/1", "/contacts/1/merge?into=2", "/messages/2/revisions", "/nothing"):
        ada.goto(path)
        assert complaints(ada, axe) == [], path


def test_no_page_overflows_and_every_target_has_24_pixels_at_every_width(window):
    kevin = window("kevin")
    for path in ("/accounts/1/conversations", "/conversations/1"):
        live(kevin, path)
        for width in (390, 760, 1280, 2560):
            kevin.set_viewport_size({"width": width, "height": 800})
            assert kevin.evaluate("document.documentElement.scrollWidth") <= width
            assert small_targets(kevin) == []


def small_targets(page: Page) -> list[str]:
    """Return the targets below 24 × 24 px (WCAG 2.2, 2.5.8); a switch's target is its label.

    Measured after the next frame: rows out of view (`content-visibility: auto`) have no size.
    """
    page.evaluate("new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary, input, textarea")]
          .filter((element) => element.checkVisibility({contentVisibilityAuto: true}))
          .filter((element) => !element.closest(".skip, .switch"))
          .map((element) => [element.outerHTML.slice(0, 90), element.getBoundingClientRect()])
          .map(([html, box]) => [html, box.width, box.height])"""
    )
    assert len(sizes) > 5, "the page has no targets"
    return [f"{html} {width}×{height}" for html, width, height in sizes if min(width, height) < 24]
