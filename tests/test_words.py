"""Words that the code must not use, because they stand for several of the field's terms."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Not "said": body, payload, published. Not "told" or "heard": data, received. Not "saw": observed.
# Not "whoever": the client, the hub.
WORDS = re.compile(r"\b(said|told|heard|saw|whoever)\b", re.IGNORECASE)
# path → lines that may contain one, because they quote a user's text.
QUOTED: dict[str, set[str]] = {}


def sources(root: Path) -> list[Path]:
    scripts = [p for p in (root / "static/js").rglob("*") if p.suffix in {".js", ".ts"}]
    return sorted([*(root / "rtapp").rglob("*.py"), *scripts])


def found(root: Path) -> list[str]:
    """`path:line: text` of every line with such a word."""
    lines = []
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if WORDS.search(line) and line.strip() not in QUOTED.get(name, set()):
                lines.append(f"{name}:{number}: {line.strip()}")
    return lines


def test_the_code_uses_the_fields_words():
    assert found(ROOT) == []


def test_the_search_covers_python_javascript_and_declarations():
    suffixes = {path.suffix for path in sources(ROOT)}
    assert suffixes == {".py", ".js", ".ts"}


def test_a_planted_word_is_found_in_each_kind_of_file(tmp_path):
    planted = {
        "rtapp/deep/module.py": '"""Whoever listens."""\n',
        "static/js/rtapp/module.js": "const x = 1;\n#told() {}\n",
        "static/js/rtapp/module.d.ts": "heard: string;\n",
        "rtapp/clean.py": "unsaid = sawdust = foretold = 1\n",
    }
    for name, text in planted.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert found(tmp_path) == [
        'rtapp/deep/module.py:1: """Whoever listens."""',
        "static/js/rtapp/module.d.ts:1: heard: string;",
        "static/js/rtapp/module.js:2: #told() {}",
    ]
