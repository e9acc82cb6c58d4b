"""docs/widget.md: its commands print what it shows."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from rtapp import seed

from .world import add_website

DOCUMENT = (Path(__file__).parents[1] / "docs" / "widget.md").read_text()
BLOCK = re.compile(r"(?:^    .+\n)+", re.MULTILINE)
COMMAND = "flask --app app "
# What differs from run to run.
VARYING = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{16}|[0-9a-f]{8})\b")

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def examples() -> list[tuple[str, str]]:
    """Each command, and the output in the block that follows it."""
    blocks = [re.sub("^    ", "", block, flags=re.MULTILINE) for block in BLOCK.findall(DOCUMENT)]
    return [
        (block.strip().removeprefix(COMMAND), output)
        for block, output in pairwise(blocks)
        if block.startswith(COMMAND)
    ]


def one_line(output: str) -> str:
    return " ".join(VARYING.sub("…", output).split())


def differences(app, commands):
    """Runs the commands in order. Returns those whose output is another one."""
    run, ids, found = app.test_cli_runner().invoke, {}, []
    for command, shown in commands:
        words = [ids.get(word, word) for word in shlex.split(command)]
        answer = run(args=words)
        assert answer.exit_code == 0, answer.output
        for name, value in zip(VARYING.findall(shown), VARYING.findall(answer.output), strict=True):
            ids[name] = value
        if one_line(answer.output) != one_line(shown):
            found.append((command, answer.output))
    return found


@pytest.fixture(autouse=True)
def demo(app):
    add_website(app, 1, seed.KEY, " ".join(seed.ORIGINS))


def test_the_commands_print_what_the_document_shows(app):
    assert len(examples()) == 7
    assert differences(app, examples()) == []


def test_an_output_that_is_not_the_documents_is_found(app):
    made, snippet, *_ = examples()
    changed = (snippet[0], snippet[1].replace("data-lang", "data-language"))
    assert [command for command, _ in differences(app, [made, changed])] == [snippet[0]]
