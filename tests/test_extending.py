"""docs/extending.md works as it is written: its blocks are put into a copy, and its test is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs/extending.md").read_text()
# Where a block belongs, in bold before it, and the block.
BLOCK = re.compile(
    r"\*\*`([^`]+)`\*\*, ([^:.]+?)[:.].*?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
COPIED = (
    "rtapp", "migrations", "templates", "static", "docs", "pyproject.toml",
    "tests/__init__.py", "tests/conftest.py", "tests/support.py", "tests/world.py",
    "tests/test_access_matrix.py", "tests/test_every_action.py",
    "tests/events/__init__.py", "tests/events/test_protocol.py",
    "tests/events/test_catalogue_js.py",
)  # fmt: skip
ASKED_FOR = {
    "test_access_matrix.py::test_every_endpoint_has_a_row[sqlite]",
    "test_access_matrix.py::test_every_event_has_a_row[sqlite]",
    "test_every_action.py::test_every_durable_action_is_verified[sqlite]",
    "events/test_protocol.py::test_each_event_is_documented_with_exactly_its_fields"
    "[handover.requested]",
    "events/test_protocol.py::test_nothing_else_is_documented",
    "events/test_catalogue_js.py::test_every_event_has_a_callback",
}


def blocks() -> list[tuple[str, str, str]]:
    found = BLOCK.findall(DOCS)
    assert len(found) == DOCS.count("```python"), "a block does not say where it belongs"
    return found


def extended(text: str, where: str, block: str) -> str:
    if where == "new":
        assert not text
        return block
    if where == "at its end":
        return f"{text}\n\n{block}"
    inside = where.removeprefix("in ").strip("`")
    head = re.search(rf"^{inside}\b.*\{{\n", text, re.MULTILINE)
    assert head is not None, f"there is no {inside}"
    return text[: head.end()] + block + text[head.end() :]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The application with the document's blocks in it."""
    folder = tmp_path_factory.mktemp("extended")
    for name in COPIED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    for name, where, block in blocks():
        path = folder / name
        path.write_text(extended(path.read_text() if path.exists() else "", where, block))
    return folder


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [os.path.abspath(sys.executable), "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    return done.stdout + done.stderr


def test_the_guide_adds_a_file_for_each_noun_and_five_entries():
    assert [(name, where) for name, where, _ in blocks()] == [
        ("rtapp/events/catalogue.py", "in `DURABLE`"),
        ("rtapp/events/presenters.py", "at its end"),
        ("rtapp/events/audience.py", "at its end"),
        ("rtapp/events/announce.py", "in `TABLE`"),
        ("rtapp/events/announce.py", "at its end"),
        ("rtapp/streams/handover.py", "new"),
        ("rtapp/actions/handover.py", "new"),
        ("tests/test_handover.py", "new"),
    ]


def test_its_own_test_passes(copy):
    count = blocks()[-1][2].count("def test_")
    said = run(copy, "pytest", "tests/test_handover.py", "-q", "-k", "sqlite")
    assert f"\n{count} passed" in said, said[-3000:]


def test_its_code_is_as_ours(copy):
    written = list(dict.fromkeys(name for name, _, _ in blocks()))
    assert "All checks passed" in run(copy, "ruff", "check", *written)
    assert f"{len(written)} files already formatted" in run(
        copy, "ruff", "format", "--check", *written
    )
    said = run(copy, "mypy", "rtapp/actions/handover.py", "rtapp/streams/handover.py")
    assert "Success" in said, said


def test_the_tables_ask_for_what_is_missing(copy):
    said = run(copy, "pytest", "tests", "-q", "--ignore=tests/test_handover.py", "-k",
               "(row or durable or document or callback) and not is_found")  # fmt: skip
    failed = set(re.findall(r"^FAILED tests/(\S+)", said, re.MULTILINE))
    assert failed == ASKED_FOR, said[-3000:]


def test_without_its_entry_the_event_can_not_be_made(copy, tmp_path):
    less = tmp_path / "less"
    shutil.copytree(copy, less)
    catalogue = less / "rtapp/events/catalogue.py"
    shutil.copy(ROOT / "rtapp/events/catalogue.py", catalogue)
    said = run(less, "pytest", "tests/test_handover.py", "-q", "-k", "sqlite and reaches")
    assert "handover.requested is not in the catalogue" in said, said[-3000:]
