"""What agents wrote looks the same in a visitor's chat as on the agents' page: the rules of
rtapp/markup.py and of static/js/chat/on_demand/markup.js, which makes elements, never HTML."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from rtapp.config import RESOURCES
from rtapp.markup import markup

from .test_markup import AS_TYPED
from .test_markup import LINKS
from .test_markup import MOST_MARKS
from .test_markup import NO_LINKS
from .test_markup import PIECES
from .test_markup import RENDERED
from .test_markup import WORST

NODE = shutil.which("node")
MODULE = RESOURCES / "static/js/chat/on_demand/markup.js"
# `h` as static/js/chat/dom.js has it, for HTML as rtapp/markup.py writes it.
SCRIPT = """
import { readFileSync } from "node:fs";
import { markup } from %s;
const NAMES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (each) => NAMES[each]);
const html = (part) => (typeof part === "string" ? escape(part) : part.html);
const h = (tag, properties, ...children) => {
  const attribute = ([name, value]) => ` ${name}="${escape(String(value))}"`;
  const attributes = Object.entries(properties ?? {}).map(attribute).join("");
  return { html: `<${tag}${attributes}>${children.flat().map(html).join("")}</${tag}>` };
};
const sources = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(sources.map((source) => markup(source, h).map(html).join(""))));
"""
PHONE = re.compile(r"\+[1-9]")
# Of hosts with foreign letters, and with characters that no host has.
ENCODED = re.compile(r' title="[^"]*"|(?<=<a )href="[^"]*(?:%|xn--)[^"]*"')


def rendered(sources: Sequence[str]) -> list[str]:
    if NODE is None:
        pytest.skip("SKIPPED: there is no node to run the module")
    script = SCRIPT % json.dumps(MODULE.as_uri())
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", script],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: list[str] = json.loads(done.stdout)
    return answer


def assert_same(sources: Sequence[str], without: re.Pattern[str] | None = None) -> None:
    for source, html in zip(sources, rendered(sources), strict=True):
        expected = str(markup(source))
        if without:
            html, expected = without.sub("", html), without.sub("", expected)
        assert html == expected, repr(source)


def test_a_visitor_sees_the_examples_of_the_page_as_agents_see_them():
    sources = [source for source, _ in RENDERED.values()]
    numbers = [source for source in LINKS if PHONE.search(source)]
    sources += [*AS_TYPED, *(source for source in LINKS if source not in numbers), *NO_LINKS]
    assert len(numbers) == 4
    assert_same(sources)


def test_a_telephone_number_is_text_for_a_visitor():
    (html,) = rendered(["**Call** +44 20 7946 0958"])
    assert html == "<strong>Call</strong> +44 20 7946 0958"


def test_any_text_is_the_same_for_a_visitor_and_on_the_page():
    """Of the pieces of hostile texts, without telephone numbers and tabs. Where a link leads whose
    host is impossible differs: nowhere."""
    draw = random.Random(1)
    pieces = [piece for piece in PIECES if "\t" not in piece and not PHONE.search(piece)]
    sources = ["".join(draw.choices(pieces, k=draw.randrange(60))) for _ in range(3_000)]
    marks = [*"*_` \nab1", "**", "> ", "- ", "1. ", "  ", "```\n", "- a\n", "  - b\n", "> a\n"]
    sources += ["".join(draw.choices(marks, k=draw.randrange(30))) for _ in range(3_000)]
    assert_same([source for source in sources if not PHONE.search(source)], without=ENCODED)


def test_the_longest_hostile_message_and_one_with_too_many_marks_are_the_same_too():
    sources = [(piece * 10_000)[:10_000] for piece in WORST if not PHONE.search(piece)]
    sources += ["*a*\n" * (MOST_MARKS // 3), "*a*\n" * MOST_MARKS]
    assert_same(sources)
