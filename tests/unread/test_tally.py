import random

import pytest

from rtapp.unread.tally import HELD
from rtapp.unread.tally import MOST
from rtapp.unread.tally import Tally
from rtapp.unread.tally import views_of


@pytest.mark.parametrize(
    ("assignee", "views"),
    [(7, ("mine", "all")), (None, ("unassigned", "all")), (8, ("all",))],
)
def test_where_a_conversation_counts(assignee, views):
    assert views_of(7, assignee) == views


@pytest.mark.parametrize(
    ("count", "number", "known"),
    [(0, 0, True), (MOST - 1, MOST - 1, True), (MOST, MOST, True), (HELD + 50, MOST, True)],
)
def test_a_number_says_at_most_the_most(count, number, known):
    tally = Tally(range(count))
    assert (tally.number, tally.known) == (number, known)


def test_what_stands_there_already_counts_once_and_what_does_not_is_not_taken_away():
    tally = Tally([1, 2])
    tally.put(2, True)
    tally.put(3, False)
    assert tally.number == 2
    tally.put(2, False)
    assert tally.number == 1


@pytest.mark.parametrize("more", [0, 1])
def test_a_number_below_the_most_is_known_only_if_every_id_was(more):
    tally = Tally(range(HELD + more))
    for id in range(HELD - MOST):
        tally.put(id, False)
    assert (tally.number, tally.known) == (MOST, True)
    tally.put(HELD - 1, False)
    assert tally.known == (more == 0)


@pytest.mark.parametrize("seed", range(5))
def test_kept_up_one_by_one_it_says_what_counting_says(seed):
    chance = random.Random(seed)
    standing = set(range(chance.choice([0, 90, 140, 500])))
    tally, asked = Tally(sorted(standing)), 0
    for _ in range(3_000):
        id, stands = chance.randrange(600), chance.random() < 0.3
        (standing.add if stands else standing.discard)(id)
        tally.put(id, stands)
        if not tally.known:
            tally, asked = Tally(sorted(standing)), asked + 1
        assert tally.number == min(len(standing), MOST)
    assert asked < 30
