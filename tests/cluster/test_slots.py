"""Slots of a cluster move to other nodes, and to a new one, under load: nobody notices."""

from collections.abc import Callable

import pytest

from ..faults.server import Server
from .load import under_load
from .redises import ClusterOfThree
from .redises import Redises
from .world import World

MOVED = 5  # accounts that move in a test


@pytest.fixture
def cluster(redises: Redises) -> ClusterOfThree:
    if not isinstance(redises, ClusterOfThree):
        pytest.skip("only a cluster has slots")
    return redises


@pytest.mark.parametrize("added", [False, True], ids=["to another node", "to a new node"])
def test_accounts_that_move_lose_no_event_and_no_stream(
    cluster: ClusterOfThree,
    world: World,
    hosts: list[Server],
    tell: Callable[[str], None],
    added: bool,
) -> None:
    accounts = sorted(cluster.accounts_beside(max(world.conversations), world.conversations))
    with under_load(world, hosts) as load:
        target = cluster.add() if added else cluster.another(accounts[0])
        for account in accounts[:MOVED]:
            cluster.move(account, target)
        load.flow(world.conversations, "after the moves")
        assert cluster.accounts_beside(accounts[0], accounts) == set(accounts[:MOVED])
    assert load.closed() == {}
    assert load.refused() <= {503}
    tell(f"{load.before}; {load.tally()}")
