"""A rolling deploy: hosts behind a balancer are restarted in turn, and nobody notices."""

import pytest

from ..faults.sizes import LONG
from ..harness.waiting import eventually
from ..proxies.proxies import KINDS
from ..proxies.proxies import installed
from .hosts import Balancer
from .hosts import open_streams
from .hosts import wait_for_streams
from .load import under_load
from .world import USERS

pytestmark = pytest.mark.skipif(
    not installed(KINDS["nginx"]), reason="SKIPPED: there is no nginx on this machine"
)


@pytest.fixture
def balancer(hosts, settings):
    balancer = Balancer(settings.folder / "balancer", hosts)
    balancer.start()
    yield balancer
    balancer.stop()


def test_a_rolling_deploy_loses_no_message_and_shows_nobody_leaving(
    redises, world, hosts, balancer, witness, tell
):
    if redises.replicates_late and not LONG:
        pytest.skip("only in ./bin/soak")
    streams = len(world.conversations) * len(USERS)
    with under_load(world, hosts, [balancer]) as load:
        witness.wait_for_arrivals()
        assert all(open_streams(host) for host in hosts), "a host has no streams"
        for host in hosts:
            (other,) = set(hosts) - {host}
            host.terminate()
            load.wait_until_open()
            wait_for_streams(other, streams)
            host.start()
            balancer.wait_until_used(host)
        load.flow(world.conversations, "after the deploy")
        assert witness.departures() == []
        witness.assert_undisturbed()
    for reader in load.readers:
        closed = reader.told("stream.closed")
        assert closed
        assert {event.data["reason"] for event in closed} == {"shutdown"}
        assert all(opened.data["resumed"] for opened in reader.told("stream.open")[1:])
        assert not reader.cuts
    eventually(witness.departures, "the witness sees the users leave, once they do")
    tell(f"{streams} streams over {len(hosts)} restarts; {load.tally()}")
