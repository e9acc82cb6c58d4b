"""What a website's visitors load, as it is served: thirty kilobytes with all that they need."""

import re

import pytest

from .world import add_website

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIMIT = 30 * 1024
LAUNCHER_LIMIT = 5 * 1024


@pytest.fixture
def size(app):
    def size(path: str) -> int:
        answer = app.test_client().get(path, headers={"Accept-Encoding": "gzip"}, buffered=True)
        assert answer.status_code == 200, path
        assert answer.headers["Content-Encoding"] == "gzip"
        return len(answer.data)

    return size


def test_launcher_chat_connector_and_styles_are_below_thirty_kilobytes(app, size):
    key = add_website(app)
    page = app.test_client().get(f"/chat/{key}", headers={"Accept": "text/html"}).text
    page = re.sub("<noscript>.*?</noscript>", "", page)
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:js|css))"', page))
    sizes = {path.partition("/static/")[2].partition("/")[2]: size(path) for path in named}
    assert sizes.keys() == {"js/chat/bundle.js", "js/chat/languages/en.js", "css/chat.css"}
    sizes["js/widget/widget.js"] = size("/static/js/widget/widget.js")
    assert sizes["js/widget/widget.js"] <= LAUNCHER_LIMIT
    for name, bytes in sizes.items():
        print(f"{name} {bytes} bytes, gzip")
    print(f"all of it {sum(sizes.values())} bytes, gzip")
    assert 10_000 < sum(sizes.values()) <= LIMIT


def test_what_the_chat_loads_on_demand_is_small_too(size):
    files = (
        "js/chat/on_demand/files.js", "js/chat/on_demand/languages/en.js", "css/chat_files.css",
        "js/chat/on_demand/address.js", "js/chat/on_demand/sound.js",
    )  # fmt: skip
    for name in files:
        print(f"{name} {size(f'/static/{name}')} bytes, gzip, on demand")
    assert sum(size(f"/static/{name}") for name in files) < 5 * 1024


def test_no_page_of_the_inbox_loads_the_chat(kevin):
    page = kevin.page("/conversations/1").text
    assert "js/inbox/inbox.js" in page
    assert "/chat/" not in re.sub(r"<main.*</main>", "", page, flags=re.DOTALL)
