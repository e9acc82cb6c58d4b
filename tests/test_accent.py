"""Every text of a chat can be read, whatever accent its website has."""

import re

from hypothesis import given
from hypothesis import strategies as st

from rtapp.accent import DARK
from rtapp.accent import LIGHT
from rtapp.accent import style_sheet
from rtapp.config import RESOURCES
from rtapp.contrast import ENOUGH
from rtapp.contrast import contrast

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def values(accent, name):
    return re.findall(f"--{name}:(#[0-9a-f]{{6}})", style_sheet(accent))


@given(COLOURS)
def test_texts_on_and_of_the_accent_have_enough_contrast(accent):
    assert values(accent, "accent") == [accent]
    (on_accent,) = values(accent, "on-accent")
    assert contrast(on_accent, accent) >= ENOUGH
    light, dark = values(accent, "accent-text")
    assert contrast(light, LIGHT) >= ENOUGH
    assert contrast(dark, DARK) >= ENOUGH


def test_an_accent_that_can_be_read_stays_as_it_is():
    assert values("#1d4ed8", "accent-text")[0] == "#1d4ed8"
    assert values("#ffd400", "accent-text")[1] == "#ffd400"
    assert values("#ffd400", "accent-text")[0] != "#ffd400"


def test_the_grounds_are_those_of_the_chats_style_sheet():
    grounds = re.findall("--surface: (#[0-9a-f]+)", (RESOURCES / "static/css/chat.css").read_text())
    assert [*grounds] == ["#fff", DARK]
    assert LIGHT == "#ffffff"
