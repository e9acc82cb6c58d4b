"""Streams that are authorised again together: their credential is looked up once."""

import pytest

from rtapp.realtime.subscriber import Subscription
from rtapp.streams import authorise_again
from rtapp.streams import authorising
from rtapp.streams import base

ONE = Subscription(1, ("conversation:1",), (), user_id=1, credential="token 1 a")
OTHER = Subscription(1, ("conversation:1",), (), user_id=1, credential="token 1 b")


@pytest.fixture
def looked_up(monkeypatch):
    """The credentials that were looked up. All have ended."""
    found = []
    monkeypatch.setattr(base.auth, "principal_of", found.append)
    return found


def test_a_credential_is_looked_up_once_in_a_block(app, looked_up):
    with authorising(app, [ONE, OTHER]):
        answers = [authorise_again(app, each) for each in (ONE, ONE, OTHER)]
    assert answers == ["signed_out"] * 3
    assert looked_up == [ONE.credential, OTHER.credential]


def test_a_credential_is_looked_up_again_in_the_next_block_and_without_one(app, looked_up):
    for _ in range(2):
        with authorising(app, [ONE]):
            authorise_again(app, ONE)
    authorise_again(app, ONE)
    authorise_again(app, ONE)
    assert looked_up == [ONE.credential] * 4


def test_a_credential_is_looked_up_again_after_an_error(app, looked_up, monkeypatch):
    with authorising(app, [ONE]):
        authorise_again(app, ONE)
        monkeypatch.setattr(base, "subscriber_id", None)
        monkeypatch.setattr(base.auth, "principal_of", lambda _: object())
        with pytest.raises(TypeError):
            authorise_again(app, OTHER)
        monkeypatch.setattr(base.auth, "principal_of", looked_up.append)
        assert authorise_again(app, ONE) == "signed_out"
    assert looked_up == [ONE.credential] * 2
