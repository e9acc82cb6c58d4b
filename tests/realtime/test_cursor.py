import pytest

from rtapp.realtime.cursor import Cursor
from rtapp.realtime.cursor import MalformedCursor


def test_a_cursor_equals_the_one_parsed_from_its_text():
    cursor = Cursor("0a1b2c3d", 1_790_000_000_000, 7)
    assert Cursor.parse(str(cursor)) == cursor


def test_cursors_of_one_epoch_are_ordered_by_time_then_count():
    assert Cursor("e", 9, 9) < Cursor("e", 10, 0) < Cursor("e", 10, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e",
        "e-1",
        "e-1-",
        "e-x-1",
        "-1-1",
        "e-1-1-1",
        "e-1-1\n",
        "é-1-1",
        "e-١-1",
        "e" * 17 + "-1-1",
    ],
)
def test_text_that_is_no_cursor_is_malformed(text):
    with pytest.raises(MalformedCursor):
        Cursor.parse(text)
