"""The documents: their references exist, and their lines are short."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SEARCHED = ("rtapp", "static", "templates", "migrations", "tests", "bench", "bin", "docs", ".ci")
TEXT = {".py", ".js", ".ts", ".mjs", ".lua", ".html", ".css", ".md", ".txt", ".toml", ".yaml", ""}
# A document that is named, and the heading that may follow: docs/decisions.md, "The outbox".
NAMED = re.compile(r"""(?<![\w/.-])((?:[\w.-]+/)*[\w-]+\.md)\b(?:, (["'])(.+?)\2)?""")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LONGEST = 120
SETTINGS = sorted(
    set(re.findall(r'"(RTAPP_[A-Z_]+|[A-Z]+_(?:URL|KEY))"', (ROOT / "rtapp/config.py").read_text()))
)


def sources() -> list[Path]:
    """Every text file of the project but this one, which has wrong references on purpose."""
    files = [file for folder in SEARCHED for file in (ROOT / folder).rglob("*")]
    files += list(ROOT.glob("*"))
    ours = [f for f in files if f.is_file() and f.suffix in TEXT and "__pycache__" not in f.parts]
    return [file for file in ours if file != Path(__file__)]


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/*.md")])


def headings(document: Path) -> list[str]:
    return HEADING.findall(without_code(document.read_text()))


def anchor(heading: str) -> str:
    """The heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def dangling(text: str, folder: Path) -> Iterator[str]:
    """References in `text`, a file in `folder`, that lead to no document or no heading."""
    for name, _, heading in NAMED.findall(text):
        found = [base / name for base in (ROOT, folder, ROOT / "docs") if (base / name).is_file()]
        if not found:
            yield name
        elif heading and heading not in headings(found[0]):
            yield f"{name}, {heading!r}"


def broken_links(document: Path, text: str) -> Iterator[str]:
    for path, fragment in LINK.findall(without_code(text)):
        if "://" in path:
            continue
        target = (document.parent / path).resolve() if path else document
        inside = target.is_relative_to(ROOT.resolve())
        if not (inside and target.exists()):
            yield path
        elif fragment and fragment not in map(anchor, headings(target)):
            yield f"{path}#{fragment}"


def too_long(text: str) -> Iterator[str]:
    """Lines that are too long. Tables can't be wrapped."""
    for line in text.splitlines():
        if len(line) > LONGEST and not line.startswith("|"):
            yield line


def test_every_document_that_a_file_names_exists_and_has_the_named_heading():
    files = sources()
    assert len(files) > 200
    assert [f"{f}: {d}" for f in files for d in dangling(f.read_text(), f.parent)] == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_has_a_target_in_the_repository(document):
    assert list(broken_links(document, document.read_text())) == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_lines_of_a_document_are_within_the_limit(document):
    assert list(too_long(document.read_text())) == []


def test_the_files_that_the_readme_names_exist():
    readme = (ROOT / "README.md").read_text()
    named = re.findall(r"`((?:rtapp|static|bin|docs)/[\w/.-]+\.\w+)`", readme)
    assert len(named) >= 7
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_each_decision_has_its_own_heading():
    decisions = headings(ROOT / "docs/decisions.md")
    assert len(decisions) > 80
    assert len(set(decisions)) == len(decisions)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_documented_in_one_table(name):
    row = re.compile(rf"^\|[^|]*`{name}`", re.MULTILINE)
    rows = {
        str(document.relative_to(ROOT)): len(row.findall(document.read_text()))
        for document in documents()
    }
    assert {name: count for name, count in rows.items() if count} == {"README.md": 1}


def test_a_reference_to_a_missing_document_or_heading_is_found():
    text = 'See docs/decisions.md, "The outbox"; docs/decisions.md, "Nothing"; shared/OTHER.md'
    assert list(dangling(text, ROOT)) == ["docs/decisions.md, 'Nothing'", "shared/OTHER.md"]


def test_a_link_without_a_target_is_found():
    text = "[a](docs/decisions.md#the-outbox) [b](docs/decisions.md#no) [c](../x.md) [d](no.md)"
    found = list(broken_links(ROOT / "README.md", text))
    assert found == ["docs/decisions.md#no", "../x.md", "no.md"]


def test_a_line_of_a_document_over_the_limit_is_found():
    assert list(too_long(f"| {'x' * 200} |\nshort\n{'y' * 121}\n")) == ["y" * 121]
