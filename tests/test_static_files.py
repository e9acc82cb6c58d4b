"""Static files: an address with the version of their content is cached for ever, others are not.

They are compressed, by what the client accepts; nothing else ever is.
"""

import gzip
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from rtapp import content_codings
from rtapp import create_app
from rtapp import static_files
from rtapp.config import RESOURCES

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FOREVER = "public, max-age=31536000, immutable"
OTHER = "v0123456789abcdef"  # the version of another release
BROWSERS = "gzip, deflate, br, zstd"
DECODERS: dict[str | None, Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    None: bytes,
}
IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""")


@pytest.fixture
def version() -> str:
    return static_files.version_of(str(RESOURCES / "static"))


@pytest.fixture
def got(app):
    def got(path: str, **headers: str):
        return app.test_client().get(path, headers=headers, buffered=True)

    return got


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the static files, for applications that are made from now on."""
    for name in ("templates", "migrations"):
        (tmp_path / name).symlink_to(RESOURCES / name)
    monkeypatch.setattr("rtapp.RESOURCES", tmp_path)
    return shutil.copytree(RESOURCES / "static", tmp_path / "static")


def accepting(value: str) -> dict[str, str]:
    return {"Accept-Encoding": value}


def decoded(answer) -> bytes:
    return DECODERS[answer.headers.get("Content-Encoding")](answer.data)


@sqlite
def test_every_file_of_a_page_has_the_version_in_its_address_and_is_cached_for_ever(
    kevin, got, version
):
    page = kevin.page("/conversations/1").text
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(named) > 40
    for address in named:
        assert address.startswith(f"/static/{version}/")
        answer = got(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOREVER)
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert {"CDN-Cache-Control", "Surrogate-Control"}.isdisjoint(answer.headers.keys())


@sqlite
def test_a_file_without_a_version_and_one_of_another_version_are_revalidated(got, version):
    name = "js/connector/connector.js"
    newest = got(f"/static/{version}/{name}")
    for path in (f"/static/{name}", f"/static/{OTHER}/{name}"):
        answer = got(path)
        assert (answer.status_code, answer.data) == (200, newest.data)
        assert answer.headers["Cache-Control"] == "no-cache"
        again = got(path, **{"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path", ["nothing.js", "../app.py", "..%2fapp.py", "js", "", "/etc/passwd"]
)
def test_an_address_with_a_version_leads_to_static_files_alone(got, version, path):
    assert got(f"/static/{version}/icon.svg").status_code == 200
    answer = got(f"/static/{version}/{path}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")


def test_modules_import_one_another_by_relative_paths_alone():
    """So each import of a module with a version has the same version."""
    scripts = sorted((RESOURCES / "static/js").rglob("*.js"))
    imported = {name for script in scripts for name in IMPORT.findall(script.read_text())}
    assert len(imported) > 40
    assert [name for name in imported if not name.startswith(("./", "../"))] == []
    styles = "".join(path.read_text() for path in (RESOURCES / "static/css").glob("*.css"))
    assert "url(/" not in styles


def test_the_version_changes_with_the_content_of_any_file_and_with_nothing_else(tmp_path):
    folder, copy = tmp_path / "static", tmp_path / "copy"
    shutil.copytree(RESOURCES / "static", folder)
    first = static_files.version_of(str(folder))
    assert re.fullmatch("v[0-9a-f]{16}", first)
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)  # with other times
    assert static_files.version_of(str(copy)) == first
    icon = folder / "icon.svg"
    before = icon.read_bytes()
    icon.write_bytes(before + b"\n")
    second = static_files.version_of(str(folder))
    assert second != first
    icon.write_bytes(before)
    assert static_files.version_of(str(folder)) == first
    icon.rename(folder / "icon2.svg")
    assert static_files.version_of(str(folder)) not in (first, second)


def test_the_version_does_not_change_with_a_comment_that_is_not_served(tmp_path):
    folder = shutil.copytree(RESOURCES / "static", tmp_path / "static")
    first = static_files.version_of(str(folder))
    module = folder / "js/inbox/dom.js"
    source = module.read_text()
    module.write_text(f"// Another comment.\n{source}")
    assert static_files.version_of(str(folder)) == first
    module.write_text(f"{source}\nwindow.added = 1;\n")
    assert static_files.version_of(str(folder)) != first


def test_a_link_to_nothing_among_the_files_is_left_out(tmp_path):
    """An editor's lock, for example."""
    folder = shutil.copytree(RESOURCES / "static", tmp_path / "static")
    first = static_files.version_of(str(folder))
    (folder / ".#icon.svg").symlink_to("user@host.1")
    assert static_files.version_of(str(folder)) == first


@sqlite
def test_development_serves_files_that_change_beside_the_running_server(app, folder):
    client = create_app(app.extensions["settings"]).test_client()
    first = client.get("/login").text
    (folder / "icon.svg").write_text("<svg/>")
    second = client.get("/login").text
    assert first != second
    version = static_files.version_of(str(folder))
    assert version in second
    assert client.get(f"/static/{version}/icon.svg").data == b"<svg/>"
    (folder / "icon.svg").unlink()
    assert client.get("/static/icon.svg").status_code == 404


@sqlite
def test_production_serves_the_files_of_its_start_at_their_version(app, folder):
    """Those of another release would be cached for ever under the version of this one."""
    production = replace(app.extensions["settings"], env="production")
    client = create_app(production).test_client()
    first = client.get("/login").text
    icon, version = client.get("/static/icon.svg").data, static_files.version_of(str(folder))
    (folder / "icon.svg").write_text("<svg/>")
    assert client.get("/login").text == first
    answer = client.get(f"/static/{version}/icon.svg")
    assert (answer.data, answer.headers["Cache-Control"]) == (icon, FOREVER)
    shutil.rmtree(folder / "js")
    assert client.get("/static/js/inbox/inbox.js").status_code == 200


@sqlite
@pytest.mark.parametrize(("coding", "limit"), [("br", 40_000), ("gzip", 48_000)])
def test_scripts_and_styles_of_a_page_stay_below_their_size_limits_as_served(
    kevin, got, coding, limit
):
    page = kevin.page("/conversations/1").text
    sizes = {"js": 0, "css": 0}
    for name in set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:js|css))"', page)):
        answer = got(name, **accepting(coding))
        assert answer.headers["Content-Encoding"] == coding
        sizes[name.rpartition(".")[2]] += len(answer.data)
    print(f"JavaScript {sizes['js']} bytes, CSS {sizes['css']} bytes, {coding}")
    assert 10_000 < sizes["js"] < limit
    assert 1_000 < sizes["css"] < 20_000


def imported_from(module: Path) -> set[Path]:
    """The module, and all that it imports."""
    found, new = set(), {module}
    while new:
        found |= new
        named = [(m.parent / n).resolve() for m in new for n in IMPORT.findall(m.read_text())]
        new = {path for path in named if path.suffix == ".js"} - found  # others are types
    return found


@sqlite
def test_the_connector_of_visitors_stays_below_its_size_limit_as_served(got):
    folder = RESOURCES / "static/js/connector"
    sizes = {}
    for module in imported_from((folder / "visitor/visitor.js").resolve()):
        name = str(module.relative_to(folder.resolve()))
        sizes[name] = len(got(f"/static/js/connector/{name}", **accepting("gzip")).data)
    for name, size in sorted(sizes.items()):
        print(f"{size:6} {name}")
    print(f"{sum(sizes.values()):6} bytes, gzip")
    assert "visitor/event_parser.js" in sizes
    assert "turbo.js" not in sizes
    assert sum(sizes.values()) < 15_000


@sqlite
@pytest.mark.parametrize("name", ["js/inbox/inbox.js", "css/app.css", "icon.svg"])
def test_a_file_is_the_same_in_each_coding_and_says_which_it_has(got, name):
    plain = got(f"/static/{name}")
    assert "Content-Encoding" not in plain.headers
    for coding in ("br", "gzip"):
        answer = got(f"/static/{name}", **accepting(coding))
        assert answer.headers["Content-Encoding"] == coding
        assert decoded(answer) == plain.data != answer.data
        assert answer.headers["Content-Length"] == str(len(answer.data))
        assert len(answer.data) < len(plain.data)
        for header in ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options",
                       "Cache-Control", "Vary"):  # fmt: skip
            assert answer.headers[header] == plain.headers[header]
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (BROWSERS, "br"),
        ("br", "br"),
        ("BR", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("gzip;q=0.5, br;q=0.500", "br"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("gzip;q=0.1, identity;q=0.2", "identity"),
        ("identity;q=0, gzip", "gzip"),
        ("identity", "identity"),
        ("deflate, zstd, compress", "identity"),
        ("gzip;q=0", "identity"),
        ("br;q=0.0, gzip;q=0.000", "identity"),
        ("*;q=0", "identity"),
        ("identity;q=0", "identity"),
        ("identity;q=0, *;q=0", "identity"),
        ("", "identity"),
    ],
)
def test_the_coding_is_the_one_that_the_client_weighs_highest(accepted, coding):
    assert content_codings.best(parse_accept_header(accepted, Accept)) == coding


@pytest.mark.parametrize(
    "accepted",
    [";", ",,,", "=", ";q=1", "br;q=", "br;q=2", "br;q=-1", "br;q=nan", "br;q=inf", "br;q=1e9",
     "br;q=0x1", "br q=1", "gzip brotli spam", "x-gzip-really", "br2", 'br;q="1', '"br', "br;;q=0",
     "*/*", "b\xe9r", "gzip\t;q=0", "br;q=0.5;q=0.0", "gzip," * 2_000, "a;q=0.1," * 1_000],
)  # fmt: skip
@sqlite
def test_any_value_of_accept_encoding_is_answered_with_the_file(got, accepted):
    answer = got("/static/icon.svg", **accepting(accepted))
    assert answer.status_code == 200
    assert decoded(answer) == got("/static/icon.svg").data


@given(st.text(st.characters(max_codepoint=255)))
def test_no_coding_is_used_that_an_accept_encoding_does_not_name(accepted):
    coding = content_codings.best(parse_accept_header(accepted, Accept))
    assert coding == "identity" or coding in accepted.lower() or "*" in accepted


@sqlite
def test_a_client_has_the_newest_file_only_in_the_coding_of_its_etag(got):
    path, etags = "/static/css/app.css", {}
    for coding in DECODERS:
        etags[coding] = got(path, **accepting(coding or "identity")).headers["ETag"]
    assert len(set(etags.values())) == 3
    assert not any(etag.startswith("W/") for etag in etags.values())
    for coding in DECODERS:
        headers = accepting(coding or "identity")
        same = got(path, **headers, **{"If-None-Match": f'"other", {etags[coding]}'})
        assert (same.status_code, same.data) == (304, b"")
        assert (same.headers["ETag"], same.headers["Vary"]) == (etags[coding], "Accept-Encoding")
        assert "Content-Encoding" not in same.headers
        for other in DECODERS.keys() - {coding}:
            answer = got(path, **headers, **{"If-None-Match": etags[other]})
            assert answer.status_code == 200


@sqlite
@pytest.mark.parametrize("coding", [None, "br", "gzip"])
def test_ranges_of_a_file_are_those_of_its_coding(got, coding):
    headers = accepting(coding or "identity")
    path = "/static/css/app.css"
    whole = got(path, **headers)
    parts = [got(path, **headers, Range=f"bytes={part}") for part in ("0-99", "100-")]
    assert b"".join(part.data for part in parts) == whole.data
    for part in parts:
        assert part.status_code == 206
        assert part.headers.get("Content-Encoding") == coding
        assert part.headers["ETag"] == whole.headers["ETag"]
        assert part.headers["Content-Range"].endswith(f"/{len(whole.data)}")
    other = got(path, **accepting("gzip" if coding == "br" else "br")).headers["ETag"]
    resumed = got(path, **headers, Range="bytes=5-9", **{"If-Range": other})
    assert (resumed.status_code, resumed.data) == (200, whole.data)
    resumed = got(path, **headers, Range="bytes=5-9", **{"If-Range": whole.headers["ETag"]})
    assert (resumed.status_code, resumed.data) == (206, whole.data[5:10])
    beyond = got(path, **headers, Range=f"bytes={len(whole.data)}-")
    assert (beyond.status_code, "Content-Encoding" in beyond.headers) == (416, False)


@sqlite
@pytest.mark.parametrize("coding", ["identity", "br", "gzip"])
def test_a_head_of_a_file_has_the_headers_of_a_get_and_no_body(app, got, coding):
    path = "/static/css/app.css"
    head = app.test_client().head(path, headers=accepting(coding))
    whole = got(path, **accepting(coding))
    assert head.data == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Vary", "Cache-Control"):
        assert head.headers[name] == whole.headers[name]
    assert head.headers.get("Content-Encoding") == whole.headers.get("Content-Encoding")


@sqlite
def test_a_file_of_a_compressed_format_is_not_compressed_again(app, folder):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(5_000)
    (folder / "picture.png").write_bytes(picture)
    client = create_app(app.extensions["settings"]).test_client()
    answer = client.get("/static/picture.png", headers=accepting(BROWSERS))
    assert (answer.data, answer.mimetype) == (picture, "image/png")
    assert {"Content-Encoding", "Vary"}.isdisjoint(answer.headers.keys())


@sqlite
def test_a_file_is_compressed_once_in_each_coding_however_many_requests_come(
    app, folder, monkeypatch
):
    compressed = []
    for coding in ("br", "gzip"):
        coder = content_codings.CODERS[coding]
        counting = lambda body, coding=coding, coder=coder: compressed.append(coding) or coder(body)  # noqa: E731
        monkeypatch.setitem(content_codings.CODERS, coding, counting)
    (folder / "css/app.css").write_text("/* new */ body { color: red }")
    client = create_app(app.extensions["settings"]).test_client()
    for coding in (BROWSERS, "gzip", "br", "identity", "gzip"):
        for method in (client.get, client.head):
            assert method("/static/css/app.css", headers=accepting(coding)).status_code == 200
    assert compressed == ["br", "gzip"]


@sqlite
def test_no_page_json_error_or_stream_is_ever_compressed(app, ada, nobody, version):
    """Their length would give away the CSRF token or data in them (BREACH), and a compressed stream
    would wait."""
    codings = {"accept_encoding": BROWSERS}
    assert nobody.get("/static/css/app.css", **codings).headers["Content-Encoding"] == "br"
    answers = [
        ada.get("/conversations/1", accept="text/html", **codings),
        nobody.get("/login", accept="text/html", **codings),
        ada.get("/conversations/1/messages", **codings),
        ada.get("/me", **codings),
        ada.get("/openapi.json", **codings),
        nobody.get("/metrics", **codings),
        nobody.get("/nothing", **codings),
        nobody.get(f"/static/{version}/nothing.js", **codings),
        ada.post("/conversations/1/messages", {"content": "a" * 5_000}, **codings),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6 + [404] * 2 + [201]
    stream = ada.get("/streams/conversations/1", **codings)
    for answer in (*answers, stream):
        assert "Content-Encoding" not in answer.headers
        assert "Accept-Encoding" not in answer.headers.get("Vary", "")
    stream.close()
