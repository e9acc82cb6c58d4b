"""What agents see of a website's visitor, live: whether they are there, and who they are."""

import http.client
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from ..harness.waiting import PATIENCE
from .page import BLANK
from .page import live
from .test_inbox_safe import axe
from .test_inbox_safe import complaints

__all__ = ["axe"]

CHAT = "/chat/demo"
PAGE = "https://shop.example/lamps?page=2&order=price#reviews"


class Visitor:
    def __init__(self, server: str):
        self._server = server
        self._headers: dict[str, str] = {}
        session = self.post(f"{CHAT}/session")
        self.id = session["contact"]["id"]
        self._headers["Authorization"] = f"Bearer {session['token']}"

    def post(self, path: str, **body: Any) -> Any:
        headers = {**self._headers, "Content-Type": "application/json"}
        request = urllib.request.Request(
            self._server + path, json.dumps(body).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    @contextmanager
    def on_the_site(self) -> Iterator[None]:
        connection = http.client.HTTPConnection(urlsplit(self._server).netloc, timeout=PATIENCE)
        connection.request("GET", f"/streams/contacts/{self.id}", headers=self._headers)
        answer = connection.getresponse()
        assert answer.status == 200
        try:
            yield
        finally:
            answer.close()
            connection.close()


@pytest.fixture
def vera(server: str) -> Visitor:
    return Visitor(server)


def test_a_visitor_who_comes_and_signs_out_shows_in_the_threads_head(window, vera):
    id = vera.post(f"{CHAT}/conversations", content="Hello", page=PAGE)["conversation"]["id"]
    kevin = live(window("kevin", BLANK), f"/conversations/{id}")
    mark = kevin.locator("#contact-presence")
    expect(mark).to_be_hidden()
    with vera.on_the_site():
        expect(mark).to_be_visible()
        expect(mark).to_have_text("On the site now")
        later = live(window("ada", BLANK), f"/conversations/{id}")
        expect(later.locator("#contact-presence")).to_be_visible()
        kevin.goto("/conversations/2")
        expect(mark).to_be_hidden()
        live(kevin, f"/conversations/{id}")
        expect(mark).to_be_visible()
        vera.post(f"{CHAT}/session/delete")
        expect(mark).to_be_hidden()
        expect(later.locator("#contact-presence")).to_be_hidden()


def test_a_mark_from_before_an_outage_does_not_stay(window, vera, proxy):
    id = vera.post(f"{CHAT}/conversations", content="Hello")["conversation"]["id"]
    kevin = live(window("kevin", BLANK, base_url=proxy.address), f"/conversations/{id}")
    with vera.on_the_site():
        expect(kevin.locator("#contact-presence")).to_be_visible()
        proxy.mode = "limit"
        proxy.cut()
        expect(kevin.locator("#contact-presence")).to_be_hidden()
        proxy.mode = "pass"
        expect(kevin.locator("#contact-presence")).to_be_visible()


def test_what_a_visitor_gives_shows_at_once_as_not_verified(window, vera):
    id = vera.post(f"{CHAT}/conversations", content="Hello", page=PAGE)["conversation"]["id"]
    kevin = live(window("kevin", BLANK), f"/conversations/{id}")
    kevin.set_viewport_size({"width": 1600, "height": 900})
    details = kevin.locator("#contact-details")
    expect(details).to_contain_text("Not verified")
    expect(details).not_to_contain_text("Address they gave")
    kevin.get_by_label("Your message").fill("Half a reply")
    vera.post(f"{CHAT}/contact", email="vera@example.com", name="<b>Vera</b>")
    expect(details).to_contain_text("vera@example.com not verified")
    expect(details.get_by_role("heading")).to_have_text("<b>Vera</b>")
    expect(details.locator("b")).to_have_count(0)
    link = details.get_by_role("link", name=PAGE)
    expect(link).to_have_attribute("href", PAGE)
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    vera.post(f"/conversations/{id}/messages", content="More", page="https://shop.example/cart")
    expect(details.get_by_role("link", name="https://shop.example/cart")).to_be_visible()
    expect(kevin.get_by_label("Your message")).to_have_value("Half a reply")


@pytest.mark.parametrize(
    "options", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}]
)
def test_axe_finds_nothing_serious_in_a_visitors_thread_and_the_head_fits_a_phone(
    window, axe, vera, options
):
    id = vera.post(f"{CHAT}/conversations", content="Hello", page=PAGE)["conversation"]["id"]
    vera.post(f"{CHAT}/contact", name="A visitor with quite a long name of their own")
    with vera.on_the_site():
        kevin = live(window("kevin", BLANK, **options), f"/conversations/{id}")
        mark = kevin.locator("#contact-presence")
        expect(mark).to_be_visible()
        assert complaints(kevin, axe) == []
        box, width = mark.bounding_box(), kevin.viewport_size
        assert box is not None
        assert width is not None
        assert box["x"] + box["width"] <= width["width"]
        name = kevin.locator("#thread-contact h1").bounding_box()
        assert name is not None
        assert name["x"] + name["width"] <= box["x"]
