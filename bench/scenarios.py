"""The scenarios by their names, and the list whose results are published.

A scenario is imported when it runs: another checkout may not have what the others need.
"""

from collections.abc import Callable
from importlib import import_module

from .lab import Lab

# name: module, function
SCENARIOS = {
    "fan-out": ("fan_out", "run"),
    "crowd": ("fan_out", "crowd"),
    "idle-memory": ("idle_memory", "run"),
    "agent-memory": ("idle_memory", "agents"),
    "idle-pings": ("idle_pings", "run"),
    "idle-visitors": ("idle_visitors", "run"),
    "connect-storm": ("connect_storm", "run"),
    "resume-storm": ("resume_storm", "run"),
    "small-topics": ("small_topics", "run"),
    "stalled-tenth": ("stalled_tenth", "run"),
    "post-to-frame": ("post_to_frame", "run"),
    "outbox": ("outbox", "run"),
    "presence": ("presence", "run"),
    "typing": ("typing", "run"),
    "lists": ("lists", "run"),
    "at-size": ("at_size", "run"),
    "drops": ("drops", "run"),
    "rivals": ("rivals", "run"),
    "redis-publish": ("redis_publish", "run"),
    "database": ("primary", "run"),
    "many-streams": ("many_streams", "run"),
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
# Not of another checkout: they compare other servers, or are too long to be repeated.
ALONE = (
    "rivals",
    "drops",
    "redis-publish",
    "database",
    "stalled-tenth",
    "presence",
    "many-streams",
)
# In the first of the published runs only.
ONCE = ("stalled-tenth", "presence", "many-streams")
PUBLISHED = (*TARGETS, *ALONE)


def scenario(name: str) -> Callable[[Lab], None]:
    module, function = SCENARIOS[name]
    found: Callable[[Lab], None] = getattr(import_module(f"bench.{module}"), function)
    return found


# It runs only if it is named: it takes minutes and 10 GB of disk.
LARGE = ("at-size",)
