"""A primary is killed, loses its newest writes, or hangs: its accounts continue, others notice
nothing."""

from collections.abc import Callable
from collections.abc import Iterable

import pytest

from ..faults.server import Server
from ..faults.sizes import LONG
from .load import Load
from .load import summary
from .load import under_load
from .redises import Redises
from .world import World

Tell = Callable[[str], None]


def split(redises: Redises, world: World) -> tuple[int, set[int], set[int]]:
    """An account, those on the same primary, and all others."""
    account = min(world.conversations)
    beside = redises.accounts_beside(account, world.conversations)
    return account, beside, set(world.conversations) - beside


def others_continue(load: Load, others: Iterable[int]) -> str:
    """Wait for messages of accounts on other primaries, while one is away. They can't be waiting
    for its return, which is later."""
    delays = load.flow(others, "while one primary is away", messages=2)
    return f"others meanwhile: {summary(delays)}" if delays else "no others"


def test_a_killed_primary_costs_its_accounts_no_stream_and_the_others_nothing(
    redises: Redises, world: World, hosts: list[Server], tell: Tell
) -> None:
    account, concerned, others = split(redises, world)
    with under_load(world, hosts) as load:
        load.perhaps = concerned if redises.replicates_late else ()
        redises.kill(account)
        meanwhile = others_continue(load, others)
        load.accepted(concerned, "without a primary")
        redises.repair()
        load.flow(concerned, "after the repair")
        redises.settle()
    assert load.closed() == {}
    assert load.refused() <= {503}
    tell(f"{load.before}; {meanwhile}; {load.tally()}")


def test_lost_writes_reset_each_reader_of_their_accounts_once_and_no_other(
    redises: Redises, world: World, hosts: list[Server], tell: Tell
) -> None:
    account, concerned, others = split(redises, world)
    with under_load(world, hosts) as load:
        load.reset = concerned
        redises.prepare_loss(account)
        load.flow(concerned, "which will be lost")
        redises.kill(account)
        meanwhile = others_continue(load, others)
        redises.repair()
        load.wait_for_resets(concerned)
        load.flow(concerned, "after the reset")
        redises.settle()
    assert load.closed() == {}
    tell(f"{load.before}; {meanwhile}; {load.tally()}")


def test_a_primary_that_hangs_costs_its_accounts_no_stream_and_the_others_nothing(
    redises: Redises, world: World, hosts: list[Server], tell: Tell
) -> None:
    if redises.replicates_late and not LONG:
        pytest.skip("only in ./bin/soak")
    account, concerned, others = split(redises, world)
    with under_load(world, hosts) as load:
        load.perhaps = concerned if redises.replicates_late else ()
        redises.hang(account)
        meanwhile = others_continue(load, others)
        load.accepted(concerned, "while the primary hangs")
        redises.repair()
        load.flow(concerned, "after the repair")
        redises.settle()
        load.flow(concerned, "at the end")  # what the old primary took last may be lost
    assert load.closed() == {}
    assert load.refused() <= {503}
    tell(f"{load.before}; {meanwhile}; {load.tally()}")
