import pytest

from rtapp.realtime import grants
from rtapp.realtime.grants import LIFETIME
from rtapp.realtime.grants import Grants

KEVIN, KEY, ANSWER = 2, ("token", "digest"), "answer"


class Here:
    """Grants with a clock that stands still, of a process in which Kevin has a stream."""

    def __init__(self):
        self.now = 1000.0
        self.open = {KEVIN}
        self.grants = Grants(self.open.__contains__, lambda: self.now)
        self.grants.listen()

    def keep(self, changes=None, key=KEY, subjects=(str(KEVIN), "conversation:1")):
        changes = self.grants.changes if changes is None else changes
        self.grants.keep(KEVIN, key, ANSWER, subjects, changes)

    def find(self, key=KEY):
        return self.grants.find(KEVIN, key)


@pytest.fixture
def here():
    return Here()


def test_an_answer_is_kept_under_its_key(here):
    assert here.find() is None
    here.keep()
    assert here.find() == ANSWER
    assert here.find(("token", "another")) is None


@pytest.mark.parametrize("subject", [str(KEVIN), "conversation:1"])
def test_a_change_of_rights_of_each_subject_ends_a_grant(here, subject):
    here.keep()
    here.keep(key="another", subjects=("3", "conversation:2"))
    here.grants.forget(subject)
    assert here.find() is None
    assert here.find("another") == ANSWER  # whose subjects' rights have not changed
    here.keep()
    assert here.find() == ANSWER


def test_an_answer_that_may_be_older_than_a_change_of_rights_is_not_kept(here):
    changes = here.grants.changes
    here.grants.forget("3")  # anybody's: the query is not asked whom it was about
    here.keep(changes)
    assert here.find() is None


def test_nothing_is_kept_while_control_messages_may_be_missed(here):
    here.keep()
    here.grants.interrupt()
    assert here.find() is None
    here.keep()
    here.grants.listen()
    assert here.find() is None


def test_an_answer_from_before_an_interruption_is_not_kept_after_it(here):
    changes = here.grants.changes
    here.grants.interrupt()
    here.grants.listen()
    here.keep(changes)
    assert here.find() is None


def test_a_grant_ends_with_the_last_stream_and_after_its_lifetime(here):
    here.keep()
    here.open.clear()
    assert here.find() is None
    here.keep(key="while nothing is open")
    here.open.add(KEVIN)
    assert here.find("while nothing is open") is None
    here.keep()
    here.now += LIFETIME - 1
    assert here.find() == ANSWER
    here.now += 1
    assert here.find() is None


def test_the_number_of_grants_and_of_their_subjects_is_limited(here, monkeypatch):
    monkeypatch.setattr(grants, "MOST", 3)
    for n in range(100):
        here.keep(key=n, subjects=(str(KEVIN), f"conversation:{n}"))
        assert here.find(n) == ANSWER
        assert len(here.grants._grants) <= 3
        assert sum(map(len, here.grants._keys.values())) <= 6
    for n in range(100):
        here.keep(key=n)
        here.grants.forget(str(KEVIN))
    assert not any(here.grants._keys.values())
