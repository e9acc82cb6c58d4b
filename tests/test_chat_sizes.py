"""What a website's visitors load, as it is served: thirty kilobytes with all that they need."""

import re

import pytest

from rtapp import static_files
from rtapp.config import RESOURCES

from .world import add_website

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIMIT = 30 * 1024
LAUNCHER = "/static/js/widget/widget.js"
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
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:js|css))"', page))
    sizes = {path.partition("/static/")[2].partition("/")[2]: size(path) for path in named}
    assert sizes.keys() == {"js/chat/bundle.js", "js/chat/languages/en.js", "css/chat.css"}
    if "js/widget/widget.js" in static_files.release_in(str(RESOURCES / "static")).bodies:
        sizes["js/widget/widget.js"] = size(LAUNCHER)
        assert sizes["js/widget/widget.js"] <= LAUNCHER_LIMIT
    for name, bytes in sizes.items():
        print(f"{name} {bytes} bytes, gzip")
    print(f"all of it {sum(sizes.values())} bytes, gzip")
    assert 10_000 < sum(sizes.values()) <= LIMIT


def test_no_page_of_the_inbox_loads_the_chat(kevin):
    page = kevin.page("/conversations/1").text
    assert "js/inbox/inbox.js" in page
    assert "/chat/" not in re.sub(r"<main.*</main>", "", page, flags=re.DOTALL)
