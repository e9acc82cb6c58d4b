"""The wheel is complete and serves without the checkout; the locks match the requirements."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

ROOT = Path(__file__).parent.parent
OURS = ("RTAPP_", "REDIS_URL", "DATABASE_URL", "SECRET_KEY", "HOST", "PORT", "FLASK_", "PYTHON")
# Folder of the checkout → where the wheel has it.
CARRIED = {
    "rtapp": "rtapp",
    "templates": "rtapp/templates",
    "static": "rtapp/static",
    "migrations": "rtapp/migrations",
}
LOCKS = ["requirements", "requirements-build", "requirements-dev", "requirements-bench"]
LIMIT = 60  # s for one command, on a busy machine
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)$", re.MULTILINE)
LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+)[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", re.MULTILINE)
# A host, a URL, an option of pip or a path would tie the lock to one machine.
FOREIGN = re.compile(r"://|^--|^/|\s/\w|\s@\s", re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("rtapp-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder for `sys.path` in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--target", str(folder), str(wheel))
    return folder


def pip(command: str, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", "--no-index",
         "--disable-pip-version-check", *words],
        check=True, timeout=LIMIT,
    )  # fmt: skip


def environment(site: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {
        **clean,
        "PYTHONPATH": str(site),
        "PYTHONSAFEPATH": "1",
        "PORT": "0",
        **more,
    }


@contextmanager
def serving(
    command: list[str], folder: Path, environ: dict[str, str], announced: str
) -> Iterator[httpx.Client]:
    """A client of the server that `command` starts, once its output matches `announced`."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environ, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    output = ""
    try:
        for line in process.stdout:
            output += line
            if found := re.search(announced, line):
                break
        else:
            pytest.fail(f"the server ended:\n{output}")
        with httpx.Client(base_url=found[1], timeout=LIMIT) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0


def test_an_installed_package_serves_the_sign_in_page_with_its_style_sheet(site, tmp_path):
    environ = environment(site)
    assert ROOT not in Path(origin("rtapp", tmp_path, environ)).parents
    command = [str(site / "bin" / "rtapp")]
    with serving(command, tmp_path, environ, r"rtapp is ready: (\S+)") as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        page = client.get("/login", headers={"Accept": "text/html"})
        assert "Sign in" in page.text
        sheets = re.findall(r'<link[^>]+href="([^"]+\.css[^"]*)"', page.text)
        assert sheets
        assert all(client.get(sheet).status_code == 200 for sheet in sheets)
        token = flask(["token", "create", "ada@example.com"], tmp_path, environ)
        me = client.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["email"] == "ada@example.com"
    assert (tmp_path / "instance" / "rtapp.sqlite3").is_file()  # in the working directory


def test_gunicorn_serves_an_installed_package(site, redis, tmp_path):
    environ = environment(site, REDIS_URL=redis.url, WEB_CONCURRENCY="1")
    flask(["db", "upgrade"], tmp_path, environ)
    command = ["-m", "gunicorn", "--config", "python:rtapp_gunicorn", "rtapp_wsgi:app"]
    with serving(command, tmp_path, environ, r"Listening at: (\S+)") as client:
        assert client.get("/readyz").json() == {"status": "ready"}


def flask(words: list[str], folder: Path, environ: dict[str, str]) -> str:
    return run(["-m", "flask", "--app", "rtapp_wsgi", *words], folder, environ)


def origin(module: str, folder: Path, environ: dict[str, str]) -> str:
    find = f"import importlib.util; print(importlib.util.find_spec({module!r}).origin)"
    return run(["-c", find], folder, environ)


def run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def files_of_the_checkout() -> set[str]:
    """Names in the wheel of what the checkout has."""
    return {
        f"{carried}/{file.relative_to(ROOT / folder)}"
        for folder, carried in CARRIED.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_carries_every_file_of_the_checkout(wheel):
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = files_of_the_checkout()
    assert {"rtapp/templates/login.html", "rtapp/migrations/env.py"} <= expected
    assert names == expected | {"rtapp_wsgi.py", "rtapp_gunicorn.py"}


def requirements(name: str, root: Path = ROOT) -> dict[str, str]:
    return dict(PIN.findall((root / f"{name}.txt").read_text()))


def not_locked(name: str, root: Path = ROOT) -> set[str]:
    """Requirements whose version does not stand in the lock, with a hash."""
    locked = set(LOCKED.findall((root / f"{name}.lock").read_text()))
    return {f"{pin}=={version}" for pin, version in requirements(name, root).items()
            if (pin, version) not in locked}  # fmt: skip


@pytest.mark.parametrize("name", LOCKS)
def test_each_requirement_is_pinned_with_a_hash_in_its_lock(name):
    assert len(requirements(name)) >= 2
    assert not_locked(name) == set()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_no_path(name):
    assert FOREIGN.search((ROOT / f"{name}.lock").read_text()) is None


@pytest.mark.parametrize("name", ["requirements-dev", "requirements-bench"])
def test_all_locks_pin_the_same_versions_of_the_runtime_requirements(name):
    locked = set(LOCKED.findall((ROOT / "requirements.lock").read_text()))
    assert locked <= set(LOCKED.findall((ROOT / f"{name}.lock").read_text()))


def test_a_requirement_missing_in_its_lock_is_found(tmp_path):
    (tmp_path / "requirements.txt").write_text("flask==3.1.4\nredis[hiredis]==8.1.0\n")
    (tmp_path / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    assert not_locked("requirements", tmp_path) == {"flask==3.1.4"}


@pytest.mark.parametrize(
    "line", ["--index-url https://example.org/simple", "    # via -r /home/me/requirements.txt"]
)
def test_a_host_or_a_path_in_a_lock_is_found(line):
    assert FOREIGN.search(f"flask==3.1.3\n{line}\n")
