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


class FanOuts:
    """What was fanned out since the last `flush`. A metric takes a lock, and in a worker writes to
    a file: for each event that would cost as much as the writes to two sockets."""

    def __init__(self) -> None:
        self._frames = 0
        self._bytes = 0
        self._lags: list[float] = []  # ms, one for each event with a cursor

    def count(self, deliveries: Sequence[tuple[Position, object]], size: int, sockets: int) -> None:
        """Count a fan-out of events at positions: `size` bytes in all, to `sockets` sockets."""
        self._frames += len(deliveries) * sockets
        self._bytes += size
        now_ms = time.time() * 1000
        for position, _ in deliveries:
            if not isinstance(position, int):
                self._lags.append(now_ms - position.ms)

    def flush(self) -> None:
        """Add them to the metrics: each second, and before these are read."""
        DELIVERIES.inc(self._frames)
        BYTES.inc(self._bytes)
        for lag in self._lags:
            LAG.observe(max(0.0, lag) / 1000)
        self._frames = self._bytes = 0
        self._lags = []


FAN_OUTS = FanOuts()  # of this process
