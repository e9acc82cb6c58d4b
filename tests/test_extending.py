"""The code of docs/extending.md works: its blocks are added to a copy, and its test is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs/extending.md").read_text()
# A block's target, in bold before it, and the block.
BLOCK = re.compile(
    r"\*\*`([^`]+)`\*\*, ([^:.]+?)[:.].*?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
COPIED = (
    "rtapp", "migrations", "templates", "static", "docs", "pyproject.toml",
    "tests/__init__.py", "tests/conftest.py", "tests/harness", "tests/push.py",
    "tests/support.py", "tests/files.py", "tests/world.py",
    "tests/test_access_matrix.py", "tests/test_every_action.py",
    "tests/events/__init__.py", "tests/events/test_protocol.py",
    "tests/events/test_catalogue_js.py",
)  # fmt: skip
CACHE = ".mypy_cache"  # of the checkout, if mypy has run there: it spares nearly all of the work
EXPECTED_FAILURES = {
    "test_access_matrix.py::test_every_endpoint_has_a_row_in_the_access_matrix[sqlite]",
    "test_access_matrix.py::test_every_event_has_a_row_in_the_delivery_matrix[sqlite]",
    "test_every_action.py::test_every_durable_action_is_compared_with_a_fresh_state[sqlite]",
    "events/test_protocol.py::test_the_protocol_documents_each_durable_event_with_exactly_its_fields"
    "[handover.requested]",
    "events/test_protocol.py::test_the_protocol_documents_no_event_outside_the_catalogue",
    "events/test_catalogue_js.py::test_every_event_of_the_catalogue_has_a_javascript_callback",
}


def blocks() -> list[tuple[str, str, str]]:
    found = BLOCK.findall(DOCS)
    assert len(found) == DOCS.count("```python"), "a block has no target"
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
            # With what is compiled of it, and without what another run is just writing.
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy(ROOT / name, target)
    for name, where, block in blocks():
        path = folder / name
        path.write_text(extended(path.read_text() if path.exists() else "", where, block))
    if (ROOT / CACHE).is_dir():
        shutil.copytree(ROOT / CACHE, folder / CACHE)
    return folder


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [os.path.abspath(sys.executable), "-m", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.stdout + done.stderr


def test_the_extending_guide_adds_a_file_for_each_noun_and_five_entries():
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


def test_the_test_of_the_extending_guide_passes(copy):
    count = blocks()[-1][2].count("def test_")
    output = run(copy, "pytest", "tests/test_handover.py", "-q", "-k", "sqlite")
    assert f"\n{count} passed" in output, output[-3000:]


def test_the_code_of_the_extending_guide_passes_ruff_and_mypy(copy):
    written = list(dict.fromkeys(name for name, _, _ in blocks()))
    assert "All checks passed" in run(copy, "ruff", "check", *written)
    assert f"{len(written)} files already formatted" in run(
        copy, "ruff", "format", "--check", *written
    )
    output = run(copy, "mypy", "rtapp/actions/handover.py", "rtapp/streams/handover.py")
    assert "Success" in output, output


def test_the_matrices_and_docs_fail_for_an_extension_without_its_entries(copy):
    output = run(copy, "pytest", "tests", "-q", "--ignore=tests/test_handover.py", "-k",
               "(row or durable or document or callback) and not is_found")  # fmt: skip
    failed = set(re.findall(r"^FAILED tests/(\S+)", output, re.MULTILINE))
    assert failed == EXPECTED_FAILURES, output[-3000:]


def test_an_extension_without_a_catalogue_entry_cannot_publish_its_event(copy, tmp_path):
    less = tmp_path / "less"
    shutil.copytree(copy, less)
    catalogue = less / "rtapp/events/catalogue.py"
    shutil.copy(ROOT / "rtapp/events/catalogue.py", catalogue)
    output = run(less, "pytest", "tests/test_handover.py", "-q", "-k", "sqlite and reaches")
    assert "handover.requested is not in the catalogue" in output, output[-3000:]
