"""How big and how long: a few minutes for every run, far more for `./bin/soak`."""

import os
from typing import NamedTuple


class Sizes(NamedTuple):
    steady: float  # s for which writers write before and after a fault
    outage: float  # s for which Redis stays away
    pubsub_cuts: int
    stop_reading: tuple[float, ...]  # s for which readers don't read
    cuts: int  # at a random byte, of all readers together
    streams: int  # open as the server is told to end
    worker_kills: int
    stalled_rounds: int
    stalled_round: int  # events in each
    broker_examples: int  # sequences of steps that the state machines try
    hub_examples: int


NORMAL = Sizes(
    steady=0.6,
    outage=0.8,
    pubsub_cuts=15,
    stop_reading=(5,),
    cuts=1_000,
    streams=500,
    worker_kills=1,
    stalled_rounds=3,
    stalled_round=60,
    broker_examples=50,
    hub_examples=150,
)
SOAK = Sizes(
    steady=10,
    outage=20,
    pubsub_cuts=300,
    stop_reading=(5, 20),
    cuts=20_000,
    streams=2_000,
    worker_kills=10,
    stalled_rounds=15,
    stalled_round=220,
    broker_examples=1_500,
    hub_examples=5_000,
)

LONG = os.environ.get("RTAPP_SOAK", "") not in ("", "0")
SIZES = SOAK if LONG else NORMAL
