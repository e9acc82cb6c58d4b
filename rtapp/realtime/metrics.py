"""The engine's Prometheus metrics, exposed at `/metrics`."""

import time
from collections.abc import Sequence

from prometheus_client import Counter
from prometheus_client import Gauge
from prometheus_client import Histogram

from .burst import Position

OPEN_STREAMS = Gauge("rtapp_open_streams", "Streams open now.", multiprocess_mode="livesum")
DELIVERIES = Counter("rtapp_deliveries", "Event frames written to sockets.")
BYTES = Counter("rtapp_sent_bytes", "Bytes of event frames, once per socket.")
CATCH_UPS = Counter("rtapp_catch_ups", "Times a live stream fell back to the log.")
GAPS = Counter("rtapp_gaps", "Times a topic's message did not follow the one before.")
RESETS = Counter("rtapp_resets", "Streams reset because they can't be resumed.", ["reason"])
CLOSED = Counter("rtapp_closed_streams", "Streams closed.", ["reason"])
RECONNECTS = Counter("rtapp_redis_reconnects", "Times the pub/sub connection was made again.")
OUTBOX = Gauge(
    "rtapp_outbox_events",
    "Committed events that are not published: waiting, or dead letters (set_aside).",
    ["state"],
    multiprocess_mode="mostrecent",
)
LAG = Histogram(
    "rtapp_publish_to_send_seconds",
    "From the event's cursor (Redis's clock) to its fan-out, in whole milliseconds.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
)


def fanned_out(positions: Sequence[Position], payload: int, sockets: int) -> None:
    """Count a fan-out of events at `positions`: `payload` bytes in total, to `sockets` sockets."""
    DELIVERIES.inc(len(positions) * sockets)
    BYTES.inc(payload)
    now_ms = time.time() * 1000
    for position in positions:
        if not isinstance(position, int):
            LAG.observe(max(0.0, now_ms - position.ms) / 1000)
