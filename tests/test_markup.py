"""Messages as HTML: what is rendered, what stays as it was typed, and what hostile text can do."""

import html
import re
import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from markupsafe import escape

from rtapp.markup import MARK
from rtapp.markup import MOST_MARKS
from rtapp.markup import markup

RENDERED = {
    "bold": ("**bold**", "<strong>bold</strong>"),
    "italic": ("*a* _b_", "<em>a</em> <em>b</em>"),
    "both": ("***both***", "<em><strong>both</strong></em>"),
    "nested": ("**a *b* c**", "<strong>a <em>b</em> c</strong>"),
    "bold before punctuation": ("(**Now!**), *then*.", "(<strong>Now!</strong>), <em>then</em>."),
    "bold with a quotation": ('**"No"** said', "<strong>&#34;No&#34;</strong> said"),
    "bold in Chinese": ("这是**重要**的。", "这是<strong>重要</strong>的。"),
    "code with its spaces": ("`a  b`", "<code>a  b</code>"),
    "code with marks and a link": ("`*a* https://a.b`", "<code>*a* https://a.b</code>"),
    "code with a backtick": ("`` a`b ``", "<code>a`b</code>"),
    "a block of code": (
        "```\nif a:\n\n    b  c\n```\nend",
        "<pre><code>if a:\n\n    b  c\n</code></pre>end",
    ),
    "a block of code with its language": (
        "```c++\na < b\n```",
        '<pre data-language="c++"><code>a &lt; b\n</code></pre>',
    ),
    "a block of code without an end": ("a\n```\n*b*", "a\n<pre><code>*b*</code></pre>"),
    "bullets": ("- a\n- b", "<ul><li>a\n</li><li>b\n</li></ul>"),
    "stars": ("* a\n* *b*", "<ul><li>a\n</li><li><em>b</em>\n</li></ul>"),
    "numbers as typed": (
        "2. a\n2. b\n7. c",
        '<ol><li value="2">a\n</li><li value="2">b\n</li><li value="7">c\n</li></ol>',
    ),
    "a nested list": (
        "- a\n  - b\n\n  c\nend",
        "<ul><li>a\n<ul><li>b\n</li></ul>\nc\n</li></ul>end",
    ),
    "a list with blank lines": ("- a\n\n\n- b", "<ul><li>a\n</li>\n\n<li>b\n</li></ul>"),
    "a quote": ("> a\n>\n> b", "<blockquote>a\n\nb\n</blockquote>"),
    "an answer below a quote": ("> a\nb", "<blockquote>a\n</blockquote>b"),
    "text below a list": ("- a\nb", "<ul><li>a\n</li></ul>b"),
    "a quote in a quote": (
        "> > a\n> b",
        "<blockquote><blockquote>a\n</blockquote>b\n</blockquote>",
    ),
    "a list in a quote": ("> - a", "<blockquote><ul><li>a\n</li></ul></blockquote>"),
    "blank lines": ("**a**\n\n\nb\n\n", "<strong>a</strong>\n\n\nb\n\n"),
    "lines of a form": ("*a*\r\nb\rc", "<em>a</em>\nb\nc"),
    "indented lines": ("*a*\n    b", "<em>a</em>\n    b"),
}
AS_TYPED = [
    "2 * 3 * 4", "2*3*4", "a*b and c*d", "x**2 + y**2", "f(*args, **kwargs)", "5* and 4* hotels",
    "snake_case_name", "_private_name", "__init__", "__bold__", "a_b_ and _c", "____", "*.*",
    "*.tar.*", "*foo*.txt", "(*) one (*)", "/*color: red*/", "/* a */", "***** good *****", "****",
    "* * *", "*", "**", "** a **", "*a\nb*", "^_^ -_- ¯\\_(ツ)_/¯ *_* T_T", ":) :* >:( ;-* :*",
    r"C:\path\*", r"\*a\*", "# not a heading", "Not\n===", "Not\n---", "---", "***", "- - -",
    "1. 2. 3.", "1.", "-", "- ", "01. January", "1986. Great.", "1) one", "+ plus", "-a", "1.5 kg",
    "    indented", "\tindented", "a  b", " a ", "| a | b |\n|---|---|\n| 1 | 2 |", "~~a~~",
    "~~~\na", "![x](cat.png)", "[a](b)", "[a][b]\n\n[b]: c", "[^1] [^1]: note", "&lt; &amp; &#42;",
    "<b>a</b>", "<!-- a -->", "<script>a()</script>", "[ ] todo", ">", ">\n> ", ">a", ">100",
    ">>> a", "> \n", "```", "```\n```", "```\n\n```", "```a b c\nd", "`", "``", "` a",
    "it`s, that`s", "a``b``c", "a\n\n\nb", "\n\na", "@Ada", "{{ 7 * 7 }}", "**a", "a**", "_",
    "\x00a".replace("\x00", "\ufffd"),
]  # fmt: skip


@pytest.mark.parametrize("name", RENDERED)
def test_the_subset_of_markdown_is_rendered(name):
    source, expected = RENDERED[name]
    assert markup(source) == expected


@pytest.mark.parametrize("source", AS_TYPED)
def test_text_that_resembles_markdown_stays_as_it_was_typed(source):
    assert markup(source) == escape(source)


# What was typed → the part that is a link, and where it leads.
LINKS = {
    "https://example.com": ("https://example.com", "https://example.com"),
    "HTTP://A.example/B?c=d&e#f": ("HTTP://A.example/B?c=d&e#f", "HTTP://A.example/B?c=d&e#f"),
    "http://localhost:8000/a": ("http://localhost:8000/a", "http://localhost:8000/a"),
    "(see https://a.example/b_(c)_d).": ("https://a.example/b_(c)_d", "https://a.example/b_(c)_d"),
    "Is it https://a.example/b?": ("https://a.example/b", "https://a.example/b"),
    "_https://a.example/b_": ("https://a.example/b", "https://a.example/b"),
    "**https://a.example/b**": ("https://a.example/b", "https://a.example/b"),
    "https://a.example/_b_/*c*/d": ("https://a.example/_b_/*c*/d", "https://a.example/_b_/*c*/d"),
    "[text](https://a.example/b)": ("https://a.example/b", "https://a.example/b"),
    "![image](https://a.example/b.png)": ("https://a.example/b.png", "https://a.example/b.png"),
    "<https://a.example>": ("https://a.example", "https://a.example"),
    '"https://a.example"': ("https://a.example", "https://a.example"),
    "看https://a.example/b。谢谢": ("https://a.example/b", "https://a.example/b"),
    "www.example.com/a, and": ("www.example.com/a", "https://www.example.com/a"),
    "http://müller.example/ä": ("http://müller.example/ä", "http://xn--mller-kva.example/%C3%A4"),
    "Mail:ada.b+c@mail.example.": ("ada.b+c@mail.example", "mailto:ada.b+c@mail.example"),
    "mailto:ada@example.com": ("ada@example.com", "mailto:ada@example.com"),
    "info@müller.example": ("info@müller.example", "mailto:info@xn--mller-kva.example"),
    "+44 20 7946 0958 (24h)": ("+44 20 7946 0958", "tel:+442079460958"),
    "Tel. +49 (0)30/901820.": ("+49 (0)30/901820", "tel:+4930901820"),
    "+1-415-555-2671": ("+1-415-555-2671", "tel:+14155552671"),
    "+4930901820": ("+4930901820", "tel:+4930901820"),
}  # fmt: skip
NO_LINKS = [
    "javascript:alert(1)", "JavaScript:alert(1)//https:", "data:text/html,<b>", "vbscript:a",
    "file:///etc", "ftp://a.example", "//a.example", "http://", "https:// a", "https://?a",
    "http:///a", "www.", "www", "example.com", "README.md", "main.py",
    "https://bank.example@evil.example/", "https://a:b@c.example", "https://a\u202eelpmaxe.b/",
    "https://exam\u200bple.com", "https://a.example/\u2066b", "http://[a", "xhttps://a.example",
    f"https://a.example/{'b' * 2_000}", "a@b", "@example.com", "2@1.50", "a@b.c1",
    "ada@exam\u200bple.com", "a@@b.example", "a@-b.example", "+12 345 678 EUR", "+100000000",
    "+10 000 000", "+2026-11-23", "+1", "+", "+49 30", "+44 20 7946 0958x", "+49 30 901820,50",
    "+44207946095812345678", "192.168.1.1", "10.000.000,00 €", "2026-11-23", "4111 1111 1111 1111",
    "Order 0302 123456", "#1234567890", "123-456-7890", "1+49309018201",
]  # fmt: skip


class Elements(HTMLParser):
    """The elements, with their attributes, and the text of an HTML fragment."""

    def __init__(self, fragment: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []  # with the innermost element
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.found.append((tag, attributes))
        self.open.append(tag)
        if language := attributes.get("data-language"):
            self.handle_data(language)  # the style sheet shows it

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        return "".join(data for _, data in self.texts)


def links(source: str) -> list[tuple[str, str | None]]:
    elements = Elements(markup(source))
    hrefs = [attributes["href"] for tag, attributes in elements.found if tag == "a"]
    shown = [data for tag, data in elements.texts if tag == "a"]
    return list(zip(shown, hrefs, strict=True))


@pytest.mark.parametrize("source", LINKS)
def test_an_address_is_a_link_that_shows_what_was_typed(source):
    assert links(source) == [LINKS[source]]


@pytest.mark.parametrize("source", NO_LINKS)
def test_what_is_no_address_or_hides_where_it_leads_is_no_link(source):
    assert links(source) == []
    assert Elements(markup(source)).text == source


def test_a_link_gives_no_opener_referrer_or_rank_and_is_isolated_from_the_text_around_it():
    assert markup("https://a.example/?b&c") == (
        '<a href="https://a.example/?b&amp;c" rel="noopener noreferrer nofollow ugc"'
        ' target="_blank" dir="ltr">https://a.example/?b&amp;c</a>'
    )


def test_a_link_with_foreign_letters_has_a_title_that_shows_what_is_opened():
    cyrillic = "https://\u0430pple.example/"
    ((_, attributes),) = Elements(markup(cyrillic)).found
    assert attributes["title"] == attributes["href"] == "https://xn--pple-43d.example/"
    ((_, attributes),) = Elements(markup("https://apple.example/")).found
    assert "title" not in attributes


ALLOWED = {
    "a": {"href", "rel", "target", "dir", "title"},
    "strong": set(), "em": set(), "code": set(), "pre": {"data-language"},
    "ul": set(), "ol": set(), "li": {"value"}, "blockquote": set(),
}  # fmt: skip
PIECES = [
    *"*_`>-+.()[]<>&\"'\\:/@#!|~= \t\n01a", "**", "```", "> ", "- ", "1. ", "  ", "\r\n", "\u202e",
    "\u2029", "http://", "https://a.example/", "www.", "a@b.example", "+49 30 901820",
    "javascript:", "data:", "é", "<script>", "重", "\u200b", "```py\n",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
LEFT_OUT = set("*_`>-. \t\n0123456789")  # what a mark may have
SPACE = re.compile(r"[ \t]+")  # below a list, a tab becomes spaces (CommonMark, section 2.2)


def is_without_marks(text: str, source: str) -> bool:
    """Whether `text` is `source` from which only marks are left out."""
    at = 0
    for character in source:
        if at < len(text) and text[at] == character:
            at += 1
        elif character not in LEFT_OUT:
            return False
    return at == len(text)


def test_the_comparison_of_texts_finds_a_lost_an_added_and_a_moved_character():
    assert is_without_marks("a b", "**a** b")
    assert not any(is_without_marks(text, "**a** b") for text in ("a", "a bc", "b a", "<a b"))


@given(st.one_of(HOSTILE, st.text(max_size=200)))
@settings(max_examples=1_000, deadline=None)
@example("www.https://a.example/ www.javascript://a")
@example("- a\n- - b\n- c")
@example("> > > > > > > > > > > deep")
@example("- a\n  - b\n    - c\n      - d\n        - e\n          - f")
def test_any_text_keeps_its_words_and_has_only_elements_attributes_and_schemes_of_the_lists(source):
    elements = Elements(markup(source))
    assert elements.open == []
    for tag, attributes in elements.found:
        assert set(attributes) <= ALLOWED[tag]
        if tag == "a":
            assert urlsplit(attributes["href"] or "").scheme in ("http", "https", "mailto", "tel")
    typed = SPACE.sub("", re.sub("\r\n?", "\n", source))
    assert is_without_marks(SPACE.sub("", elements.text).rstrip("\n"), typed)


@given(st.text("ab *_`>-\n1.", max_size=60).filter(lambda source: "```" not in source))
@settings(max_examples=500, deadline=None)
def test_each_line_break_stays(source):
    assert Elements(markup(f"{source}\nend")).text.count("\n") == source.count("\n") + 1


WORST = [
    "*", "_", "`", ">", "[", "**a *", "*a _b ", "*a* ", "> ", "- a\n", "> > ", "> a\nb\n",
    "- a\n  - b\n", "```a\n", "`a``", "1. a\n", "a\n", "\n", "www.a.", "http://a/(", "http://a)",
    "a@b.", "a@b.cd ", "@", "+1 1", "+44 20 7946 0958 ", "http://é.é ", "*!", '*"', "+1 (1) ",
    "a.a@", "http://a ",
]  # fmt: skip


def seconds(source: str) -> float:
    """CPU time, the least of three."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        markup(source)
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.parametrize("piece", WORST)
def test_the_longest_hostile_message_costs_at_most_as_much_as_a_few_thousand_bold_words(piece):
    usual = seconds("**a** " * (MOST_MARKS // 4))
    marks = len(MARK.findall(piece * 9)) / 9 + piece.count("\n")
    most = piece * int(min(MOST_MARKS / max(marks, 1), 10_000 / len(piece)) - 1)
    for source in ((piece * 10_000)[:10_000], f"{most}@", f"@{most}", most.rjust(10_000)):
        assert seconds(source) < 30 * usual


def test_a_message_with_more_marks_than_are_rendered_is_escaped_text():
    at_most = "*a*\n" * (MOST_MARKS // 3)
    assert "<em>" in markup(at_most)
    assert markup(at_most + "*<b>*\n" * 9) == escape(at_most + "*<b>*\n" * 9)


def test_a_message_cut_anywhere_is_rendered_safely_and_complete_up_to_the_cut():
    source = (
        "**Bold** `code` <b>\n> quote\n- one\n- https://a.example/b\n```py\nx\n```\n_end_ a@b.de"
    )
    assert "<pre" in markup(source)
    for end in range(len(source)):
        elements = Elements(markup(source[:end]))
        assert elements.open == []
        assert {tag for tag, _ in elements.found} <= set(ALLOWED)
        assert html.unescape(elements.text).count("<b") == source[:end].count("<b")
