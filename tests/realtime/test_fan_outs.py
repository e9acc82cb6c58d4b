"""The metrics of fan-outs: counted in passing, added to Prometheus' each second."""

from prometheus_client import REGISTRY

from rtapp.realtime.cursor import Cursor
from rtapp.realtime.metrics import FanOuts


def totals() -> tuple[float, ...]:
    names = ("deliveries_total", "sent_bytes_total", "publish_to_send_seconds_count")
    return tuple(REGISTRY.get_sample_value(f"rtapp_{name}") or 0 for name in names)


def test_fan_outs_are_added_to_the_metrics_once_at_a_flush():
    before, fan_outs = totals(), FanOuts()
    durable, ephemeral = (Cursor("1", 5, 0), "event"), (7, "ephemeral event")
    fan_outs.count([durable, ephemeral], 100, 3)
    fan_outs.count([durable], 10, 1)
    assert totals() == before
    for _ in range(2):
        fan_outs.flush()
        added = [now - then for now, then in zip(totals(), before, strict=True)]
        assert added == [2 * 3 + 1, 110, 2]
