import random

import pytest

from rtapp.unread.capped_id_set import MAX_COUNT
from rtapp.unread.capped_id_set import MAX_IDS
from rtapp.unread.capped_id_set import CappedIdSet
from rtapp.unread.capped_id_set import views_of


@pytest.mark.parametrize(
    ("assignee", "views"),
    [(7, ("mine", "all")), (None, ("unassigned", "all")), (8, ("all",))],
)
def test_an_open_conversation_counts_in_the_views_that_list_it(assignee, views):
    assert views_of(7, assignee) == views


@pytest.mark.parametrize(
    ("count", "number", "exact"),
    [
        (0, 0, True),
        (MAX_COUNT - 1, MAX_COUNT - 1, True),
        (MAX_COUNT, MAX_COUNT, True),
        (MAX_IDS + 50, MAX_COUNT, True),
    ],
)
def test_the_count_is_at_most_the_maximum(count, number, exact):
    id_set = CappedIdSet(range(count))
    assert (id_set.count, id_set.exact) == (number, exact)


def test_adding_a_present_id_and_removing_an_absent_one_change_nothing():
    id_set = CappedIdSet([1, 2])
    id_set.put(2, True)
    id_set.put(3, False)
    assert id_set.count == 2
    id_set.put(2, False)
    assert id_set.count == 1


@pytest.mark.parametrize("more", [0, 1], ids=["complete", "capped"])
def test_only_a_capped_set_is_inexact_once_it_holds_fewer_ids_than_the_maximum(more):
    id_set = CappedIdSet(range(MAX_IDS + more))
    for id in range(MAX_IDS - MAX_COUNT):
        id_set.put(id, False)
    assert (id_set.count, id_set.exact) == (MAX_COUNT, True)
    id_set.put(MAX_IDS - 1, False)
    assert id_set.exact == (more == 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_set_kept_id_by_id_counts_as_a_fresh_query_does(seed):
    chance = random.Random(seed)
    unread = set(range(chance.choice([0, 90, 140, 500])))
    id_set, queries = CappedIdSet(sorted(unread)), 0
    for _ in range(3_000):
        id, counted = chance.randrange(600), chance.random() < 0.3
        (unread.add if counted else unread.discard)(id)
        id_set.put(id, counted)
        if not id_set.exact:
            id_set, queries = CappedIdSet(sorted(unread)), queries + 1
        assert id_set.count == min(len(unread), MAX_COUNT)
    assert queries < 30
