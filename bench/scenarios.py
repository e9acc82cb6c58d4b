"""The scenarios by their names, and the list whose results are published."""

from collections.abc import Callable

from . import connect_storm
from . import drops
from . import fan_out
from . import idle_memory
from . import idle_pings
from . import idle_visitors
from . import lists
from . import many_streams
from . import outbox
from . import post_to_frame
from . import presence
from . import redis_publish
from . import resume_storm
from . import rivals
from . import small_topics
from . import stalled_tenth
from . import typing
from .lab import Lab

SCENARIOS: dict[str, Callable[[Lab], None]] = {
    "fan-out": fan_out.run,
    "crowd": fan_out.crowd,
    "idle-memory": idle_memory.run,
    "agent-memory": idle_memory.agents,
    "idle-pings": idle_pings.run,
    "idle-visitors": idle_visitors.run,
    "connect-storm": connect_storm.run,
    "resume-storm": resume_storm.run,
    "small-topics": small_topics.run,
    "stalled-tenth": stalled_tenth.run,
    "post-to-frame": post_to_frame.run,
    "outbox": outbox.run,
    "presence": presence.run,
    "typing": typing.run,
    "lists": lists.run,
    "drops": drops.run,
    "rivals": rivals.run,
    "redis-publish": redis_publish.run,
    "many-streams": many_streams.run,
}
# What docs/benchmarks.md holds us to.
TARGETS = (
    "crowd",
    "small-topics",
    "idle-pings",
    "idle-memory",
    "agent-memory",
    "connect-storm",
    "post-to-frame",
    "typing",
    "resume-storm",
)
# Measured once: they are of another server, or too long to be repeated for another checkout.
ALONE = ("rivals", "drops", "redis-publish", "many-streams")
PUBLISHED = (*TARGETS, *ALONE)
