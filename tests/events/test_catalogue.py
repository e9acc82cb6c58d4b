import pytest

from rtapp.events import catalogue
from rtapp.events.catalogue import CatalogueError

MESSAGE = {
    "id": 1, "conversation_id": 1, "account_id": 1, "message_type": "outgoing", "private": False,
    "content": "hello", "sender": {"type": "user", "id": 1, "name": "Ada"}, "client_id": None,
    "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z",
    "edited_at": None, "edited_by": None, "attachments": [],
    "version": 1,
}  # fmt: skip


def test_a_valid_event_passes_the_catalogue_unchanged():
    assert catalogue.checked("message.created", MESSAGE) == MESSAGE


@pytest.mark.parametrize(
    "wrong",
    [
        {**MESSAGE, "extra": 1},
        {key: value for key, value in MESSAGE.items() if key != "version"},
        {**MESSAGE, "id": "1"},
        {**MESSAGE, "private": 0},
        {**MESSAGE, "sender": None},
        {**MESSAGE, "sender": {"type": "user", "id": 1}},
    ],
    ids=[
        "an extra field",
        "a missing field",
        "a string as id",
        "an integer as private",
        "no sender",
        "a sender without a name",
    ],
)
def test_an_event_with_an_extra_missing_or_mistyped_field_is_rejected(wrong):
    with pytest.raises(CatalogueError):
        catalogue.checked("message.created", wrong)


def test_an_event_that_is_not_in_the_catalogue_is_rejected():
    with pytest.raises(CatalogueError):
        catalogue.checked("message.guessed", MESSAGE)


def test_an_event_over_the_size_limit_is_cut_and_marked_as_truncated():
    long = {**MESSAGE, "content": "😀" * 10_000}
    cut = catalogue.checked("message.created", long)
    assert cut["truncated"] is True
    assert long["content"].startswith(cut["content"])
    assert catalogue.size(cut) <= catalogue.SIZE_LIMIT
    assert len(cut["content"]) > 2_000
