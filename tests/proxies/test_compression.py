"""Behind a proxy, static files are compressed once, and pages not at all."""

import re

import httpx
import pytest

from .proxies import Proxy

BROWSERS = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def client(proxy: Proxy) -> httpx.Client:
    return proxy.route.client(**BROWSERS)


def test_no_page_or_json_is_compressed_on_its_way(client):
    page = client.get("/login", headers={"Accept": "text/html"})
    assert 'name="csrf_token"' in page.text
    json = client.get("/openapi.json")
    assert json.json()
    for answer in (page, json):
        assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None)
        assert len(answer.content) > 1000  # a proxy might leave a short one as it is


def test_a_static_file_arrives_in_one_coding_and_whole(client, server):
    (path,) = re.findall(r'"(/static/[^"]+\.css)"', client.get("/login").text)
    plain = httpx.get(f"http://127.0.0.1:{server.port}{path}", headers={"Accept-Encoding": ""})
    assert "Content-Encoding" not in plain.headers
    for headers in (BROWSERS, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}):
        answer = client.get(path, headers=headers)
        assert answer.content == plain.content
        coding = answer.headers.get("Content-Encoding", "identity")
        assert coding == "identity" or coding in headers["Accept-Encoding"].split(", ")
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
