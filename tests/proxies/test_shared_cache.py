"""A Varnish that caches all that it may: users get their own answers, and static files are kept."""

import re
from collections.abc import Callable
from collections.abc import Iterator

import httpx
import pytest

from ..faults.server import Server
from .client import Stream
from .crowd import open_streams
from .proxies import KINDS
from .proxies import Kind
from .proxies import Place
from .proxies import Proxy
from .proxies import installed
from .proxies import varnish_with

# Requests with a cookie or a token are looked up too, which Varnish does not do by itself.
EAGER = """
vcl 4.1;
backend rtapp { .host = "127.0.0.1"; .port = "UPSTREAM"; }
sub vcl_recv { return (hash); }
sub vcl_deliver { set resp.http.X-Hits = obj.hits; }
"""
# Stores every answer whatever its Cache-Control, for each variant by Vary.
RUDE = f"{EAGER} sub vcl_backend_response {{ set beresp.ttl = 1h; return (deliver); }}"
# Ignores Vary too: against this no header helps.
LAWLESS = RUDE.replace("set beresp.ttl", "unset beresp.http.Vary; set beresp.ttl")
THREAD = "/conversations/1"  # Ada's and Kevin's; Grace may not see it
HTML = {"Accept": "text/html"}


@pytest.fixture
def behind(folder, server) -> Iterator[Callable[[str], Proxy]]:
    """Starts a Varnish with this configuration in front of the server."""
    if not installed(KINDS["Varnish"]):
        pytest.skip("SKIPPED: there is no varnishd on this machine")
    running: list[Proxy] = []

    def behind(vcl: str) -> Proxy:
        def make(place: Place) -> list[str]:
            text = vcl.replace("UPSTREAM", str(place.upstream))
            return varnish_with(place, place.write("cache.vcl", text))

        name = f"cache{len(list(folder.glob('cache*')))}"
        proxy = Proxy(name, Kind("varnishd", make), folder / name, server.port)
        proxy.start()
        running.append(proxy)
        return proxy

    yield behind
    for proxy in running:
        proxy.stop()


def as_user(proxy: Proxy, server: Server, name: str) -> httpx.Client:
    return proxy.route.client(**server.bearer(name))


def signed_in(server: Server, email: str) -> dict[str, str]:
    """The header with the cookie of a session. The signing in passes no cache."""
    credentials = {"email": email, "password": "password"}
    _, _, headers = server.ask("POST", "/login", credentials, who=None)
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


def hits(answer: httpx.Response) -> int:
    return int(answer.headers["X-Hits"])


@pytest.mark.parametrize("vcl", [EAGER, RUDE], ids=["honours headers", "honours Vary alone"])
def test_a_shared_cache_answers_each_user_with_their_own_json(behind, server, vcl):
    proxy = behind(vcl)
    names = [as_user(proxy, server, who).get("/me").json()["name"] for who in ("Ada", "Grace")]
    assert [name.split()[0] for name in names] == ["Ada", "Grace"]
    assert as_user(proxy, server, "Ada").get(THREAD).status_code == 200
    assert as_user(proxy, server, "Grace").get(THREAD).status_code == 404
    assert proxy.route.client().get(THREAD).status_code == 401


@pytest.mark.parametrize("vcl", [EAGER, RUDE], ids=["honours headers", "honours Vary alone"])
def test_a_shared_cache_answers_each_session_with_its_own_page(behind, server, vcl):
    client = behind(vcl).route.client()
    ada, grace = signed_in(server, "ada@example.com"), signed_in(server, "grace@example.com")
    page = client.get(THREAD, headers={**ada, **HTML})
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert client.get(THREAD, headers={**grace, **HTML}).status_code == 404
    assert client.get(THREAD, headers=HTML).status_code == 302
    assert client.get(THREAD, headers=ada).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("vcl", [EAGER, RUDE], ids=["honours headers", "honours Vary alone"])
def test_a_shared_cache_gives_nobody_the_stream_of_another_user(behind, server, vcl):
    proxy = behind(vcl)
    stream = Stream(as_user(proxy, server, "Ada"), "/streams/conversations/1")
    stream.first("stream.open")
    assert as_user(proxy, server, "Grace").get("/streams/conversations/1").status_code == 404
    assert proxy.route.client().get("/streams/conversations/1").status_code == 401
    before = open_streams(server)
    kevin = Stream(as_user(proxy, server, "Kevin"), "/streams/accounts/1")
    ada = Stream(as_user(proxy, server, "Ada"), "/streams/accounts/1")
    kevin.first("stream.open")
    ada.first("stream.open")
    assert open_streams(server) == before + 2
    for each in (stream, kevin, ada):
        assert int(each.answers[0].headers["X-Hits"]) == 0


def test_a_cache_that_honours_headers_stores_no_answer_with_data(behind, server):
    ada = as_user(behind(EAGER), server, "Ada")
    for path in ("/me", THREAD, "/accounts/1/conversations", "/nothing", "/login"):
        for _ in range(2):
            answer = ada.get(path)
            assert "no-store" in answer.headers["Cache-Control"]
            assert answer.headers["CDN-Cache-Control"] == "no-store"
            assert answer.headers["Surrogate-Control"] == "no-store"
            assert hits(answer) == 0


def test_a_cache_that_ignores_every_header_mixes_users_up(behind, server):
    """So these tests notice it when headers are missing."""
    proxy = behind(LAWLESS)
    assert as_user(proxy, server, "Ada").get(THREAD).status_code == 200
    assert as_user(proxy, server, "Grace").get(THREAD).status_code == 200


def test_a_shared_cache_keeps_static_files_for_all_users(behind, server):
    client = behind(EAGER).route.client()
    page = client.get("/login", headers=HTML).text
    style = re.search(r'"(/static/[^"]+\.css)"', page)
    assert style is not None
    answers = [
        client.get(style[1], headers=headers)
        for headers in ({}, {"Cookie": "session=other"}, signed_in(server, "ada@example.com"))
    ]
    assert [hits(answer) for answer in answers] == [0, 1, 2]
    assert {answer.headers["Cache-Control"] for answer in answers} == {
        "public, max-age=31536000, immutable"
    }
    unversioned = re.sub("/v[0-9a-f]{16}/", "/", style[1])
    assert [hits(client.get(unversioned)) for _ in range(2)] == [0, 0]
