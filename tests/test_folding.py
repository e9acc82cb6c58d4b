"""Folded text: one form for all forms of the same words, and where it is in the original."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtapp.folding import Aligned
from rtapp.folding import folded
from rtapp.folding import words

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
# Letters with accents, ligatures, scripts with marks, Hangul, invisible characters, surrogates.
ODD = st.sampled_from(
    list("aAzZ ßẞéÉäñçøØłıİœﬁ½№①ＡǅΐςΣᾳёйЇ")
    + list("がかﾞﾎ゙한ᄒㅎﾡ국ᅡᆫสวัสดีนำ้हिन्दी़ক্ষো")
    + list("שָׁלאُٱـ👩🏽\u0301\u0323\u0345\u0338\u200b\u200d\u202e\u2066\ufe0f\u00ad")
    + ["\u3000", "\ufdfa", "\x00", "\x1f", "\ud800"]
)
TEXTS = st.lists(ODD, max_size=30).map("".join) | st.text(max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jürgen Älfeld", "JÜRGEN ÄLFELD"),
        ("Jürgen Älfeld", normalize("NFD", "Jürgen Älfeld")),
        ("Jürgen", "jurgen"),
        ("Straße", "STRASSE"),
        ("STRAẞE", "strasse"),
        ("Ίος ΣΊΣΥΦΟΣ", "ιοσ σισυφοσ"),
        ("ᾠδή", "ΩΙΔΗ"),
        ("İstanbul ISPARTA ıspanak", "istanbul isparta ispanak"),
        ("Łódź Ørsted Đorđe", "lodz orsted dorde"),
        ("Ёлка", "елка"),
        ("ﬁle №5 ①", "file no5 1"),
        ("ＡＢＣ\u3000１２", "abc 12"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد أحمد", "محمد احمد"),
        ("سـلام", "سلام"),
        ("ﾊﾟﾝ", "パン"),
        (normalize("NFD", "한국어"), "한국어"),
        ("in\u00advi\u200bsi\u2060ble\ufeff", "invisible"),
        ("\u202eabc\u202c \u2066def\u2069", "abc def"),
        ("❤\ufe0f", "❤"),
        ("  one\t\n two\u2028three\u00a0four ", "one two three four"),
    ],
)
def test_forms_of_the_same_words_are_folded_to_one(one, other):
    assert folded(one) == folded(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("か", "が"),
        ("한", "하"),
        ("हिन्दी", "हन्द"),
        ("क", "क़"),
        ("ดี", "ด"),
        ("น้ำ", "นา"),
        ("কো", "ক"),
        ("a", "b"),
        ("12", "21"),
        ("ab", "a b"),
        ("!", "?"),
    ],
)
def test_different_letters_stay_different(one, other):
    assert folded(one) != folded(other)


def test_a_letter_of_kana_or_hangul_is_not_found_as_a_part_of_another():
    assert folded("か") not in folded("が")
    assert folded("하") not in folded("한")


@pytest.mark.parametrize("text", ["", " ", "\u200b\u2066", "\u0301\u0301", "\x01", "\u2800", "ـ"])
def test_a_text_of_which_nothing_counts_has_no_words(text):
    assert folded(text) == ""
    assert words(text) == []


def test_every_character_is_folded_alike_in_each_form_and_case_and_folding_twice_changes_nothing():
    for code in (*range(0xD800), *range(0xE000, 0x20000)):
        character = chr(code)
        once = folded(character)
        assert folded(once) == once, hex(code)
        others = {folded(normalize(form, character)) for form in FORMS}
        others |= {
            folded(character.upper()),
            folded(character.lower()),
            folded(character.casefold()),
        }
        assert others == {once}, hex(code)


@given(TEXTS)
def test_any_text_is_folded_alike_in_each_form_and_once_for_all(text):
    once = folded(text)
    assert folded(once) == once
    assert {folded(normalize(form, text)) for form in FORMS} == {once}
    assert len(once) <= 18 * len(text)


@given(TEXTS, st.data())
def test_a_word_of_a_text_is_found_in_it_and_what_is_found_has_the_word(text, data):
    for word in words(text):
        start = data.draw(st.integers(0, len(word) - 1))
        part = word[start : data.draw(st.integers(start + 1, len(word)))]
        found = list(Aligned(text).find(part))
        assert found, part
        assert found == sorted(set(found))
        for begin, end in found:
            assert part in folded(text[begin:end])
            if text.isascii():  # marks belong to what is before them, and lengthen a span
                assert part not in folded(text[begin + 1 : end - 1]), "the span is too long"


def test_what_is_not_in_a_text_is_not_found_in_it():
    assert list(Aligned("Jürgen Älfeld").find("jurgens")) == []
    assert list(Aligned("が").find("か")) == []
    assert list(Aligned("").find("a")) == []


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("a Cafe\u0301!", "cafe", ["Cafe\u0301"]),
        ("a Cafe\u0301!", "fe", ["fe\u0301"]),
        ("groß, Größe", "s", ["ß", "ß"]),
        ("groß, Größe", "gross", ["groß", "Größ"]),
        ("ÄÄ", "a", ["Ä", "Ä"]),
        ("aaa", "aa", ["aa"]),
        ("soft\u00adhyphen", "softh", ["soft\u00adh"]),
        ("한국", folded("국"), ["국"]),
    ],
)
def test_a_word_is_found_with_its_whole_characters(text, word, found):
    assert [text[start:end] for start, end in Aligned(text).find(word)] == found
