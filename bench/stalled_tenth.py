"""A tenth of the readers stop reading: the effect on the others and on the server's memory.

The kernel buffers some 2.5 MiB for a loopback socket before it blocks. The events are long ones, as
short ones would take minutes to fill it.
"""

import time

from . import measures
from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Report
from .publisher import Publisher
from .publisher import frame_size

SCENARIO = "stalled tenth"
SUBSCRIBERS = 1_000
SUBSCRIBERS_QUICK = 300
RATE = 20.0  # events/s
STALL = 25.0  # s; stalled readers are closed after 30 s without progress
CONVERSATION = 1
TEXT = "x" * 9_000
RECEIVE_BUFFER = 4_096  # bytes, of the stalled readers


def run(lab: Lab) -> None:
    subscribers = SUBSCRIBERS_QUICK if lab.quick else SUBSCRIBERS
    stalled = subscribers // 10
    others = subscribers - stalled
    log_progress(f"{stalled} of {subscribers} subscribers stop reading")
    floor = lab.floor(others, RATE, frame_size(TEXT))
    with lab.server() as server, Load() as load, Load() as slow:
        targets = server.world.targets([f"/streams/conversations/{CONVERSATION}"])
        load.open("others", server.port, targets, others)
        slow.open("stalled", server.port, targets, stalled, receive_buffer=RECEIVE_BUFFER)
        publisher = Publisher(server.broker)
        publish(load, publisher, 2)  # warm up: the first long events grow the heap once
        slow.reset()
        calm_memory = server.resident()
        calm = publish(load, publisher, lab.seconds(10, 5))
        grown_calm = server.resident() - calm_memory
        slow.pause("stalled")
        memory = server.resident()
        stall = publish(load, publisher, STALL)
        grown = server.resident() - memory
        unsent = published(STALL) * frame_size(TEXT) - measures.kernel_holds(server.port) / stalled
        fell_back = server.metric("rtapp_catch_ups_total")
        slow.resume("stalled")
        started = time.monotonic()
        expected = published(lab.seconds(10, 5)) + published(STALL)
        back = slow.collect("stalled", expected, timeout=60)
        back_after = time.monotonic() - started
    note = f"{others} readers, {RATE:.0f} events/s of {frame_size(TEXT)} bytes"
    for name, share, least in (("p50", "p50_ms", floor.p50_ms), ("p99", "p99_ms", floor.p99_ms)):
        lab.add(
            SCENARIO, f"others without a stall, {name}", getattr(calm, share), "ms", least, note
        )
        lab.add(
            SCENARIO, f"others with {stalled} stalled, {name}", getattr(stall, share), "ms", least
        )
    lab.add(
        SCENARIO, f"server memory growth in {STALL:.0f} s of stall", grown / 1024, "KiB", None,
        f"{grown / stalled / 1024:.1f} KiB a stalled reader; calm: {grown_calm / 1024:.0f} KiB",
    )  # fmt: skip
    lab.add(
        SCENARIO, "unsent bytes a stalled reader, in the log", unsent / 1024, "KiB", None,
        f"the kernel holds the rest; {fell_back:.0f} fell back to the log",
    )  # fmt: skip
    complete = back.events == expected * stalled
    lab.add(
        SCENARIO, "reading again, all caught up after", back_after, "s", None,
        "each event once" if complete else f"GOT {back.events} of {expected * stalled}",
    )  # fmt: skip


def published(seconds: float) -> int:
    return round(seconds * RATE)


def publish(load: Load, publisher: Publisher, seconds: float) -> Report:
    load.reset()
    publisher.publish_evenly([CONVERSATION], RATE, published(seconds), TEXT)
    return load.collect("others", published(seconds))
