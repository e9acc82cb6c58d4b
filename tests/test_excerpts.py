"""Excerpts: a piece of the original text, with the words that were found marked in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtapp.excerpts import BEFORE
from rtapp.excerpts import excerpt
from rtapp.folding import folded
from rtapp.folding import words

from .test_folding import TEXTS


def text_of(found):
    return "".join(piece.text for piece in found.pieces)


def marked(found):
    return [piece.text for piece in found.pieces if piece.marked]


LONG = " ".join(f"word{n}" for n in range(200))


@pytest.mark.parametrize(
    ("text", "q", "expected"),
    [
        ("My order #10482 says so", "#10482 ORDER", ["order", "#10482"]),
        ("Jürgen Älfeld", "JÜRGEN", ["Jürgen"]),
        ("Cafe\u0301 au lait", "café", ["Cafe\u0301"]),
        ("Hauptstraße 5", "STRASSE", ["straße"]),
        ("ananas", "ana nas", ["ananas"]),
        ("abc", "b", ["b"]),
        ("abc", "x", []),
        ("", "x", []),
    ],
)
def test_the_words_are_marked_as_they_are_written_in_the_text(text, q, expected):
    found = excerpt(text, words(q))
    assert text_of(found) == text
    assert marked(found) == expected
    assert (found.cut_before, found.cut_after) == (False, False)


def test_an_excerpt_of_a_long_text_begins_shortly_before_the_first_mark_with_a_whole_word():
    found = excerpt(LONG, ["word120"])
    assert marked(found) == ["word120"]
    assert found.cut_before
    assert found.cut_after
    before = found.pieces[0].text
    assert before.startswith("word11")
    assert len(before) <= BEFORE


def test_an_excerpt_is_where_most_of_the_words_are_near_each_other():
    text = f"alone {LONG} beta here, gamma here, {LONG}"
    assert marked(excerpt(text, ["alone", "beta", "gamma"])) == ["beta", "gamma"]
    assert marked(excerpt(text, ["alone"])) == ["alone"]


def test_an_excerpt_without_any_of_the_words_is_the_beginning_of_the_text():
    found = excerpt(LONG, ["nothing"])
    assert LONG.startswith(text_of(found))
    assert (marked(found), found.cut_before, found.cut_after) == ([], False, True)


def test_a_cut_parts_no_letter_from_its_accents():
    text = "e\u0301" * 200 + "x" + "e\u0301" * 200
    found = text_of(excerpt(text, ["x"]))
    assert found.startswith("e")
    assert found.endswith("\u0301")


def test_a_long_text_of_one_repeated_letter_has_few_marks():
    assert len(excerpt("a" * 10_000, ["a"]).pieces) < 100


@given(TEXTS, TEXTS, st.integers(1, 40))
def test_any_excerpt_is_a_piece_of_its_text_and_each_mark_has_words_in_it(text, q, length):
    asked = words(q)
    found = excerpt(text, asked, length)
    shown = text_of(found)
    assert shown in text
    assert found.cut_before or text.startswith(shown)
    assert found.cut_after or text.endswith(shown)
    assert all(piece.text for piece in found.pieces)
    for mark in marked(found):
        assert any(word in folded(mark) for word in asked)
    assert bool(marked(found)) == any(word in folded(text) for word in asked)
