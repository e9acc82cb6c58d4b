"""Sizes of the tests: a few minutes for every run, far more for `./bin/soak`."""

import os
from typing import NamedTuple


class Sizes(NamedTuple):
    steady: float  # s for which writers write before and after a fault
    outage: float  # s for which Redis stays away
    rate: float  # messages a second and conversation
    pubsub_cuts: int
    between_cuts: float  # s
    cuts: int  # at a random byte, of all readers together
    streams: int  # open at the server's shutdown
    worker_kills: int
    faults: int  # of all kinds in the long run; without any, it is left out
    readers: int  # of each stream and host in the long run
    power_moments: int  # at which a power failure is looked into
    power_cuts: int  # power failures of server and Redis, with a restart
    stalled_rounds: int  # with and without stalled readers
    broker_examples: int  # sequences of steps that the state machines try
    hub_examples: int
    actions: int  # of agents with random access


NORMAL = Sizes(
    steady=0.6,
    outage=0.8,
    rate=50,
    pubsub_cuts=15,
    between_cuts=0.15,
    cuts=300,
    streams=200,
    worker_kills=1,
    faults=0,
    readers=1,
    power_moments=40,
    power_cuts=2,
    stalled_rounds=6,
    broker_examples=30,
    hub_examples=60,
    actions=3_000,
)
SOAK = Sizes(
    steady=10,
    outage=20,
    rate=5,
    pubsub_cuts=300,
    between_cuts=0.5,
    cuts=20_000,
    streams=2_000,
    worker_kills=10,
    faults=1_000,
    readers=15,
    power_moments=1_000,
    power_cuts=100,
    stalled_rounds=20,
    broker_examples=1_500,
    hub_examples=2_000,
    actions=30_000,
)

LONG = os.environ.get("RTAPP_SOAK", "") not in ("", "0")
SIZES = SOAK if LONG else NORMAL
