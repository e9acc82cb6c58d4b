"""Contrast, by the examples of WCAG 2.2 and of its techniques (G18)."""

import pytest

from rtapp.contrast import ENOUGH
from rtapp.contrast import contrast
from rtapp.contrast import text_on


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
        ("#00ff00", "#ffffff", 1.37),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_the_ratio_is_that_of_wcag_in_either_order(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)
    assert contrast(other, one) == contrast(one, other)


def test_text_on_any_colour_can_be_read():
    steps = [f"{n:02x}" for n in (*range(0, 256, 15), 0x75, 0x76, 0x77)]
    colours = [f"#{r}{g}{b}" for r in steps for g in steps for b in steps]
    assert all(contrast(text_on(colour), colour) >= ENOUGH for colour in colours)
    assert {text_on("#1d4ed8"), text_on("#ffcc00")} == {"#ffffff", "#000000"}
