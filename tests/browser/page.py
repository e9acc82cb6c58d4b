"""Helpers for a page of the inbox."""

from playwright.sync_api import APIResponse
from playwright.sync_api import Page
from playwright.sync_api import expect

BLANK = "about:blank"  # where a window may start that goes to another page at once


def act(page: Page, path: str, **data: object) -> APIResponse:
    """Post as the page's user, without the page's scripts."""
    token = page.locator("meta[name=csrf-token]").get_attribute("content")
    answer = page.request.post(path, data=data, headers={"X-CSRF-Token": token or ""})
    assert answer.ok, answer.text()
    return answer


def live(page: Page, path: str) -> Page:
    page.goto(path)
    expect(page.locator("#live")).to_contain_text("Live")
    return page
