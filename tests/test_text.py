"""What a reader sees of a text: blank texts, initials, isolated directions."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from rtapp.text import bdi
from rtapp.text import canonical_address
from rtapp.text import initials
from rtapp.text import is_blank
from rtapp.text import isolated
from rtapp.text import moments

BLANK = {
    "nothing": "",
    "white space": " \t\r\n\u00a0\u2003\u3000\u2028",
    "zero-width": "\u200b\u200c\u200d\u2060\ufeff",
    "marks of direction": "\u200e\u200f\u061c\u202a\u202e\u2066\u2069",
    "a soft hyphen": "\u00ad",
    "variation selectors": "\ufe0f\U000e0100",
    "tag characters": "\U000e0001\U000e0061\U000e007f",
    "Hangul fillers": "\u115f\u1160\u3164\uffa0",
    "the combining grapheme joiner": "\u034f",
    "Khmer inherent vowels": "\u17b4\u17b5",
    "controls": "\x01\x7f\x9f",
    "a Braille pattern without dots": "\u2800",
}
VISIBLE = {
    "a family of emoji": "👨\u200d👩\u200d👧",
    "an emoji with a variation selector": "❤\ufe0f",
    "a flag of tag characters": "🏴\U000e0067\U000e0062\U000e007f",
    "Arabic": "مرحبا",
    "Persian with a joiner": "می\u200cخواهم",
    "Hebrew with a mark": "\u200fשלום",
    "Hindi with joiners": "क्\u200dष श्\u200cर",
    "Sinhala with a joiner": "ශ්\u200dරී",
    "Mongolian with a selector": "ᠠ\u180b",
    "an Arabic sign that is a format character": "\u06dd",
    "a combining mark alone": "\u0301",
    "a private character": "\ue000",
    "punctuation": ".",
}


@pytest.mark.parametrize("name", BLANK)
def test_a_text_of_invisible_characters_is_blank(name):
    assert is_blank(BLANK[name])
    assert is_blank(BLANK[name] + " ")


@pytest.mark.parametrize("name", VISIBLE)
def test_a_text_with_a_visible_character_is_not_blank(name):
    assert not is_blank(VISIBLE[name])
    assert not is_blank(f"\u200b {VISIBLE[name]} \u200b")


def test_the_ignorable_characters_are_those_of_unicode():
    """By the Unicode data of node (ECMA-262, table 69: the binary property DI)."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    script = r"""
      const found = [];
      for (let code = 0; code < 0x110000; code++) {
        if (/^[\p{DI}\p{White_Space}\p{Cc}]$/u.test(String.fromCodePoint(code))) found.push(code);
      }
      console.log(found.join());"""
    listed = subprocess.run([node, "-e", script], capture_output=True, check=True, text=True).stdout
    expected = {int(code) for code in listed.split(",")}
    assert len(expected) > 4_000
    ours = {code for code in range(0x110000) if is_blank(chr(code))}
    assert ours ^ expected == {0x2800}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Ada", "A"), ("Ada Lovelace", "AL"), ("", "?"), (None, "?"), ("\u202eAda", "A"),
     ("\u200bAda \u2066Lovelace", "AL"), ("\u200b", "?"), ("שלום עולם", "שע"), ("é", "É")],
)  # fmt: skip
def test_initials_are_visible(name, expected):
    assert initials(name) == expected


@pytest.mark.parametrize(
    ("entered", "canonical"),
    [("Ada@XN--Bcher-KVA.example", "ada@bücher.example"), ("a@bu\u0308cher.de", "a@bücher.de"),
     ("a@mail.xn--fsqu00a.xn--0zwm56d", "a@mail.例子.测试"),
     # Another domain than strasse, to which a mail for straße goes (IDNA 2003); and no domain.
     ("a@xn--strae-oqa.example", "a@xn--strae-oqa.example"), ("a@xn--.de", "a@xn--.de"),
     ("a@xn--99999999.de", "a@xn--99999999.de"), ("xn--bcher-kva@x.de", "xn--bcher-kva@x.de")],
)  # fmt: skip
def test_a_domain_is_the_same_as_people_and_as_machines_read_it(entered, canonical):
    assert canonical_address(entered) == canonical
    assert canonical_address(canonical) == canonical


# Text and the same text isolated; tests/js/text.test.js has them too.
CASES: dict[str, tuple[str, str]] = json.loads(
    Path(__file__).with_name("isolated.json").read_text()
)


@pytest.mark.parametrize("name", CASES)
def test_the_directions_of_a_text_end_with_it_in_plain_text(name):
    text, expected = CASES[name]
    assert isolated(text) == expected


@pytest.mark.parametrize("name", CASES)
def test_an_element_isolates_a_text_of_which_nothing_reaches_beyond_it(name):
    text, expected = CASES[name]
    inner = [line.removeprefix("\u2068") for line in expected.split("\n")]
    if expected != text:
        inner = [line.removesuffix("\u2069") for line in inner]
    if "\u2029" not in text:
        assert bdi(text) == f"<bdi>{chr(10).join(inner)}</bdi>"
    assert bdi(text).count("\u2069") == sum(bdi(text).count(c) for c in "\u2066\u2067\u2068")


def test_markup_in_an_isolated_text_is_escaped():
    assert bdi("<b>\u2069&") == "<bdi>&lt;b&gt;&amp;</bdi>"


def test_a_moment_in_an_activity_is_shown_in_the_users_zone():
    text = "Ada snoozed this until 3 Dec 2026, 09:05 UTC"
    element = (
        '<time datetime="2026-12-03T09:05:00Z" data-show="moment">3 Dec 2026, 09:05 UTC</time>'
    )
    assert moments(text) == f"Ada snoozed this until {element}"


@pytest.mark.parametrize(
    "text", ["31 Feb 2026, 09:05 UTC", "3 Dec 2026", "at 09:05 UTC", "<b>x</b>"]
)
def test_what_is_no_moment_stays_text(text):
    assert moments(text).unescape() == text
    assert "<" not in moments(text)
