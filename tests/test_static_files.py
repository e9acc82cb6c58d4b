"""Static files: an address with the version of their content is cached for ever, others are not."""

import re
import shutil
from pathlib import Path

import pytest

from rtapp import create_app
from rtapp import static_files
from rtapp.config import RESOURCES

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FOREVER = "public, max-age=31536000, immutable"
OTHER = "v0123456789abcdef"  # the version of another release
IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""")


@pytest.fixture
def version() -> str:
    return static_files.version_of(str(RESOURCES / "static"))


@pytest.fixture
def got(app):
    def got(path: str, **headers: str):
        return app.test_client().get(path, headers=headers, buffered=True)

    return got


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


@sqlite
def test_a_page_names_the_version_of_files_that_change_beside_the_running_server(
    app, kevin, tmp_path, monkeypatch
):
    folder = tmp_path / "static"
    shutil.copytree(RESOURCES / "static", folder)
    monkeypatch.setattr("rtapp.RESOURCES", resources(tmp_path))
    changing = create_app(app.extensions["settings"])
    first = changing.test_client().get("/login").text
    (folder / "icon.svg").write_text("<svg/>")
    second = changing.test_client().get("/login").text
    assert first != second
    assert static_files.version_of(str(folder)) in second


def resources(folder: Path) -> Path:
    (folder / "templates").symlink_to(RESOURCES / "templates")
    (folder / "migrations").symlink_to(RESOURCES / "migrations")
    return folder
