"""The bounds that must hold, each with the measurement that it is about."""

from typing import NamedTuple


class Target(NamedTuple):
    """`hold` and `reach` are times the floor, or in the row's unit if it has no floor."""

    what: str
    scenario: str
    row: str  # the end of its name
    hold: float
    reach: float | None = None
    unit: str = "×"


TARGETS = (
    Target(
        "CPU per delivery, one topic", "fan-out", "subscribers: server CPU per delivery", 1.4, 1.15
    ),
    Target("CPU per delivery, topics of two", "small topics", "server CPU per delivery", 3, 2),
    Target("CPU of idle streams, topics of two", "idle pings", "server CPU per second", 2, 1.3),
    Target("memory per idle stream", "idle memory", "streams: resident each", 2, 1, "KiB"),
    Target("… of more of them", "idle memory", "streams in all: resident each", 2, 1, "KiB"),
    Target("memory of an agent's three", "idle memory", "agents: resident each", 2.5, 1.5, "KiB"),
    Target(
        "CPU per stream opened, by token", "connect storm",
        "bearer tokens: server CPU per stream opened", 50, 30,
    ),
    Target(
        "CPU per stream opened, by cookie", "connect storm",
        "session cookies: server CPU per stream opened", 50, 30,
    ),
    Target("CPU per POST of a message", "POST to frame", "server CPU per POST", 4, 3),
    Target("POST to frame, p50", "POST to frame", "p50", 25, 15),
    Target("CPU per POST of typing", "typing", "server CPU per POST", 2, 1.5),
    Target("all clients 100 events back", "resume storm", "all caught up after", 10, None, "s"),
    Target("others meanwhile, at most", "resume storm", "live client, max", 100, None, "ms"),
)  # fmt: skip
