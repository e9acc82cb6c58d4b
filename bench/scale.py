"""The figures of docs/scale.md: what each step needs, by the published runs and the assumptions.

CPU is in cores: CPU seconds per second. Times the assumptions, nothing else: docs/scale.md names
what they leave out.
"""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from . import published
from .report import Run

STEPS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
KIB = 1024


@dataclass(frozen=True)
class Assumptions:
    """Of the busiest hour. Not measured."""

    agents_per_account: float = 20
    messages: float = 1 / 60  # per agent and second, sent by either side
    watchers: float = 2  # streams of a conversation that receive its messages, beside the list
    typing: float = 5  # POSTs of typing per message
    lifetime: float = 3_600  # s until a stream is opened again
    busy_hours: float = 8  # of a day, for which Redis keeps events
    share: float = 0.6  # of a core, or of memory, that is used before another is added
    cores: int = 16  # of a host, and of PostgreSQL's primary
    host_memory: float = 64 * KIB**3  # bytes
    redis_memory: float = 32 * KIB**3  # bytes of one shard
    renewal: float = 15  # s between two renewals of a process's lease in an account
    ping: float = 15  # s between two pings of a stream
    hubs_of_account: float = 2  # processes with an account's streams, if a balancer routes by it


TEXTS = (
    ("agents of an account", "{agents_per_account:g}"),
    ("messages of an agent, both directions", "{per_minute:g} a minute"),
    ("streams that receive a message beside the account's lists", "{watchers:g}"),
    ("POSTs of typing per message", "{typing:g}"),
    ("a stream is opened again after", "{lifetime:,.0f} s"),
    ("busy hours of a day, for which Redis keeps all events", "{busy_hours:g}"),
    ("a core or a memory is full at", "{percent:g} %"),
    ("a host, and the machine of PostgreSQL's primary", "{cores} cores, {host_gib:g} GiB"),
    ("a shard's memory", "{redis_gib:g} GiB"),
    ("processes that have an account's streams, routed by account", "{hubs_of_account:g}"),
)


class Costs(NamedTuple):
    """Means of the published runs, in seconds of CPU and bytes."""

    opened: float  # a stream
    idle: float  # a stream, per second
    delivery: float  # to streams of small topics
    crowd: float  # to streams of one topic
    post: float
    typing: float
    resident: float  # an agent's connection
    kernel: float
    event: float  # of Redis: an event of three topics
    per_hub: float  # of Redis: a topic's event to one more hub
    position: float  # of Redis: the call before pings, per account
    renewal: float  # of Redis: of a process's lease, per account
    event_memory: float  # of Redis
    database: float  # of PostgreSQL: a message


def costs(runs: list[Run]) -> Costs:
    """Raises Missing if the runs do not have them all."""
    value = partial(published.value, runs)
    one = value("redis publish", "1 hubs: Redis CPU per event")
    many = value("redis publish", "17 hubs: Redis CPU per event")
    streams = published.rows(runs, "idle pings", "server CPU per second")[0].what.split()[0]
    return Costs(
        opened=value("connect storm", "bearer tokens: server CPU per stream opened") / 1e6,
        idle=value("idle pings", "server CPU per second") / 1e3 / float(streams),
        delivery=value("small topics", "server CPU per delivery") / 1e6,
        crowd=value("fan-out", "subscribers: server CPU per delivery") / 1e6,
        post=value("POST to frame", "server CPU per POST") / 1e3,
        typing=value("typing", "server CPU per POST") / 1e6,
        resident=value("idle memory", "agents: resident each") * KIB,
        kernel=max(0.0, value("idle memory", "agents: kernel memory each")) * KIB,
        event=value("redis publish", "3 topics, 0 hubs: Redis CPU per event") / 1e6,
        per_hub=max(0.0, (many - one) / 16 / 1e6),
        position=value("redis publish", "position: Redis CPU per call") / 1e6,
        renewal=value("redis publish", "renewal of a lease: Redis CPU per account") / 1e6,
        event_memory=value("redis publish", "memory of Redis per event") * KIB,
        database=value("database", "PostgreSQL: CPU per message") / 1e3,
    )


class Needs(NamedTuple):
    """Of a number of agents in the busiest hour."""

    messages: float  # per second
    deliveries: float  # per second
    hub_cores: float
    hub_memory: float  # bytes
    redis_cores: float
    redis_memory: float  # bytes
    database_cores: float


def needs(agents: float, of: Costs, a: Assumptions) -> Needs:
    messages = agents * a.messages
    deliveries = messages * (a.agents_per_account + a.watchers)
    hub_cores = (
        messages * (of.post + a.typing * of.typing)
        + deliveries * of.delivery
        + agents * (of.idle + of.opened / a.lifetime)
    )
    # A process asks once for an account's position in each second in which it pings its streams.
    asked = agents / a.agents_per_account * min(
        a.agents_per_account, a.hubs_of_account * a.ping
    ) / a.ping  # fmt: skip
    renewed = agents / a.agents_per_account * hubs(a) / a.renewal
    redis_cores = (
        messages * (of.event + of.per_hub * (hubs(a) + a.watchers))
        + asked * of.position
        + renewed * of.renewal
    )
    kept = messages * a.busy_hours * 3_600
    memory = agents * (of.resident + of.kernel)
    return Needs(
        messages,
        deliveries,
        hub_cores,
        memory,
        redis_cores,
        kept * of.event_memory,
        messages * of.database,
    )


def hubs(a: Assumptions) -> float:
    """The processes that have streams of one account."""
    return min(a.agents_per_account, a.hubs_of_account)


def of_assumptions(runs: list[Run]) -> str:
    a = Assumptions()
    fields = vars(a) | {
        "per_minute": a.messages * 60,
        "percent": a.share * 100,
        "host_gib": a.host_memory / KIB**3,
        "redis_gib": a.redis_memory / KIB**3,
    }
    return table(
        ["Assumed", "Value"],
        [[what, text.format(**fields).replace(",", " ")] for what, text in TEXTS],
    )


def of_costs(runs: list[Run]) -> str:
    of = costs(runs)
    return table(
        ["Measured", "Cost"],
        [
            ["an idle stream, per second", f"{figure(of.idle * 1e6)} µs"],
            ["a stream opened", f"{figure(of.opened * 1e6)} µs"],
            ["a delivery, topics of two", f"{figure(of.delivery * 1e6)} µs"],
            ["a delivery, one topic of thousands", f"{figure(of.crowd * 1e6)} µs"],
            ["a POST of a message, with its two events", f"{figure(of.post * 1e3)} ms"],
            ["a POST of typing", f"{figure(of.typing * 1e6)} µs"],
            ["an agent's connection, resident", f"{figure(of.resident / KIB)} KiB"],
            ["… in the kernel", f"{figure(of.kernel / KIB)} KiB"],
            ["Redis: an event of three topics", f"{figure(of.event * 1e6)} µs"],
            ["Redis: … for each hub that receives it", f"{figure(of.per_hub * 1e6)} µs"],
            ["Redis: an account's position", f"{figure(of.position * 1e6)} µs"],
            ["Redis: the renewal of a lease", f"{figure(of.renewal * 1e6)} µs"],
            ["Redis: memory of an event", f"{figure(of.event_memory / KIB)} KiB"],
            ["PostgreSQL: a message", f"{figure(of.database * 1e3)} ms"],
        ],
    )


def of_steps(runs: list[Run]) -> str:
    of, a = costs(runs), Assumptions()
    head = ["Agents", "Accounts", "Messages/s", "Deliveries/s", "Hub processes", "Hosts"]
    head += ["Memory of streams", "Redis, cores", "Redis, memory", "Shards", "PostgreSQL primaries"]
    lines = []
    for agents in STEPS:
        need = needs(agents, of, a)
        lines.append(
            [
                figure(agents),
                figure(agents / a.agents_per_account),
                figure(need.messages),
                figure(need.deliveries),
                whole(processes(need, a)),
                whole(hosts(need, a)),
                f"{figure(need.hub_memory / KIB**3)} GiB",
                figure(need.redis_cores),
                f"{figure(need.redis_memory / KIB**3)} GiB",
                whole(shards(need, a)),
                whole(need.database_cores / a.share / a.cores),
            ]
        )
    return table(head, lines)


def processes(need: Needs, a: Assumptions) -> float:
    return need.hub_cores / a.share


def hosts(need: Needs, a: Assumptions) -> float:
    return max(processes(need, a) / a.cores, need.hub_memory / (a.host_memory * a.share))


def shards(need: Needs, a: Assumptions) -> float:
    return max(need.redis_cores / a.share, need.redis_memory / (a.redis_memory * a.share))


def of_first(runs: list[Run]) -> str:
    """What one of each carries, the first that is full first."""
    of, a = costs(runs), Assumptions()
    one = needs(1, of, a)
    carried = {
        "one hub process: CPU": 1 / processes(one, a),
        f"one host of {a.cores} cores: CPU": a.cores / processes(one, a),
        "one host: memory of its streams": a.host_memory * a.share / one.hub_memory,
        "one shard: CPU": a.share / one.redis_cores,
        "one shard: memory of the log": a.redis_memory * a.share / one.redis_memory,
        f"one PostgreSQL primary of {a.cores} cores: CPU": a.cores * a.share / one.database_cores,
    }
    lines = [
        [what, figure(agents)] for what, agents in sorted(carried.items(), key=lambda each: each[1])
    ]
    return table(["What is full first", "Agents"], lines)


def of_account(runs: list[Run]) -> str:
    """The size of an account whose messages all go to all of its agents."""
    of, a = costs(runs), Assumptions()
    head = ["Agents of one account", "Events/s", "Deliveries/s", "Hub processes", "Its shard's CPU"]
    lines = [
        [
            figure(agents),
            figure(events),
            figure(events * agents),
            whole(cores / a.share),
            f"{figure(redis * 100)} %",
        ]
        for agents, events, cores, redis in accounts(of, a)
    ]
    most = largest_account(of, a)
    text = table(head, lines)
    rate = a.share / (of.event + of.per_hub)
    return (
        f"{text}\n\nThe shard is full ({a.share * 100:.0f} %) at {figure(most)} agents; a topic of "
        f"one hub, at {figure(rate)} events/s."
    )


def accounts(of: Costs, a: Assumptions) -> Iterator[tuple[float, float, float, float]]:
    """For sizes of one account: agents, events/s, cores of the hubs, cores of Redis."""
    for agents in (100, 1_000, 5_000, 10_000, 20_000):
        yield (agents, *account(agents, of, a))


def account(agents: float, of: Costs, a: Assumptions) -> tuple[float, float, float]:
    events = agents * a.messages
    cores = (
        events * (of.post + a.typing * of.typing)
        + events * agents * of.crowd
        + events * a.watchers * of.delivery
        + agents * (of.idle + of.opened / a.lifetime)
    )
    each = max(1.0, cores / a.share)  # processes, all of which have streams of the account
    redis = events * (of.event + of.per_hub * each) + each * (of.position + of.renewal / a.renewal)
    return events, cores, redis


def largest_account(of: Costs, a: Assumptions) -> float:
    """The agents at which the account's shard is full, to two digits."""
    few, many = 1.0, 1e7
    while many / few > 1.001:
        middle = (few * many) ** 0.5
        full = account(middle, of, a)[2] > a.share
        few, many = (few, middle) if full else (middle, many)
    return few


def of_levers(runs: list[Run]) -> str:
    """Ten million agents, with one assumption changed at a time."""
    of, a = costs(runs), Assumptions()
    changed = (
        ("as above", a),
        ("any process has any agent (not routed)", replace(a, hubs_of_account=1e9)),
        ("an hour of events in Redis", replace(a, busy_hours=1)),
        ("a tenth of the messages", replace(a, messages=a.messages / 10)),
        ("accounts of 200 agents", replace(a, agents_per_account=200)),
    )
    lines = []
    for what, assumed in changed:
        need = needs(STEPS[-1], of, assumed)
        lines.append(
            [
                what,
                whole(hosts(need, assumed)),
                figure(need.redis_cores),
                f"{figure(need.redis_memory / KIB**4)} TiB",
                whole(shards(need, assumed)),
            ]
        )
    return table(["Ten million agents", "Hosts", "Redis, cores", "Redis, memory", "Shards"], lines)


SECTIONS: dict[str, Callable[[list[Run]], str]] = {
    "assumptions": of_assumptions,
    "costs": of_costs,
    "steps": of_steps,
    "first": of_first,
    "account": of_account,
    "levers": of_levers,
}


def table(head: list[str], lines: list[list[str]]) -> str:
    rules = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *lines))


def figure(value: float) -> str:
    """Two digits that count, in thousands with thin gaps: 0.043, 4.3, 43, 4 300."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}".replace(",", " ") if rounded >= 10 else f"{rounded:g}"


def whole(value: float) -> str:
    """So many are needed, at least one."""
    return figure(max(1, float(f"{value:.2g}") if value > 10 else -(-value // 1)))
