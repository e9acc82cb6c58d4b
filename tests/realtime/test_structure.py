"""The engine's structure, from its syntax trees: imports point down, and state has one writer."""

import ast
from pathlib import Path

import pytest

from ..test_layers import imports

ENGINE = Path(__file__).parent.parent.parent / "rtapp" / "realtime"

# A module imports modules of earlier rows only, also where only a type checker imports them. So
# there is no circle. docs/architecture.md has the same rows as a picture.
RUNGS = (
    "backoff controls cursor embedded_redis framing grants group holding incidents limits markers "
    "pubsub_connection redis_address refusal request_target scheduling shards sse timetable",
    "burst contact_presence diagnosis inbox_presence presence typing viewers",
    "high_water_marks redis_client",
    "cluster",
    "broker metrics",
    "announcer frames pubsub subscriber",
    "catch_up_queue channel observer pubsubs shard_leases sockets stream_counts",
    "leases topics",
    "hub",
    "fan_out handoff heartbeat inspection long_polling replay revocation",
    "listener",
    "engine",
)
RUNG = {f"rtapp.realtime.{name}": n for n, row in enumerate(RUNGS) for name in row.split()}

# The application reaches components through the engine, the hub and an observer's LiveStreams.
INNER = {
    "catch_up_queue", "channel", "fan_out", "heartbeat", "holding", "leases", "listener",
    "markers", "pubsub", "pubsub_connection", "pubsubs", "replay", "revocation",
    "shard_leases", "sockets", "timetable", "topics",
}  # fmt: skip

MUTATORS = {
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert",
    "pop", "popitem", "popleft", "remove", "setdefault", "update",
}  # fmt: skip


def modules() -> list[str]:
    return sorted(path.stem for path in ENGINE.glob("*.py") if path.stem != "__init__")


def source_of(name: str) -> str:
    return (ENGINE / f"{name}.py").read_text()


def arrows_up(name: str, source: str) -> list[str]:
    """The imports of modules that are not on a lower rung."""
    module = f"rtapp.realtime.{name}"
    imported = {
        f"{base}.{alias}" if base == "rtapp.realtime" else base
        for base, alias in names_imported(module, source)
    }
    return sorted(other for other in imported if RUNG[other] >= RUNG[module])


def names_imported(module: str, source: str) -> set[tuple[str, str]]:
    """(module, name) of each `from … import …` of the engine."""
    found = {(base, "") for base in imports(module, False, source) if base in RUNG}
    for node in ast.walk(ast.parse(source)):
        package = isinstance(node, ast.ImportFrom) and (
            (node.level == 1 and node.module is None) or node.module == "rtapp.realtime"
        )
        if package:
            found |= {("rtapp.realtime", alias.name) for alias in node.names}
    return found


def foreign_writes(source: str) -> list[str]:
    """Assignments to an attribute, or changes of a container, of another object than `self`."""
    tree = ast.parse(source)
    written: list[ast.expr] = []
    for node in ast.walk(tree):
        context = getattr(node, "ctx", None)
        if isinstance(node, ast.Attribute) and isinstance(context, ast.Store | ast.Del):
            written.append(node)
        elif isinstance(node, ast.Subscript) and isinstance(context, ast.Store | ast.Del):
            written.append(node.value)
        elif isinstance(node, ast.Call):
            written += written_by(node)
    return [
        ast.unparse(target)
        for target in written
        if isinstance(target, ast.Attribute)
        and not (isinstance(target.value, ast.Name) and target.value.id == "self")
    ]


def written_by(call: ast.Call) -> list[ast.expr]:
    match call.func:
        case ast.Attribute(value, name) if name in MUTATORS:
            return [value]
        case ast.Name("setattr" | "delattr"):
            return [ast.Attribute(call.args[0], "?", ast.Store())]
    return []


def test_every_module_of_the_engine_has_one_rung():
    assert modules() == sorted(name for row in RUNGS for name in row.split())


@pytest.mark.parametrize("name", modules())
def test_a_module_of_the_engine_imports_lower_rungs_only(name):
    assert arrows_up(name, source_of(name)) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("topics", "from .hub import Hub"),
        ("channel", "from rtapp.realtime.topics import Topics"),
        ("broker", "from . import hub"),
        ("broker", "from rtapp.realtime import hub"),
        ("fan_out", "from .replay import Replay"),
        ("leases", "if TYPE_CHECKING:\n    from .hub import Hub"),
        ("leases", "def f():\n    from .engine import Engine"),
    ],
)
def test_an_import_of_the_same_or_a_higher_rung_is_found(name, source):
    assert arrows_up(name, source)


@pytest.mark.parametrize("name", modules())
def test_a_component_of_the_engine_writes_its_own_state_only(name):
    assert foreign_writes(source_of(name)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "subscriber.state = State.LIVE",
        "subscriber.cursor, n = cursor, 1",
        "channel.position: Cursor = cursor",
        "counter.total += 1",
        "self._subscriber.cursor = cursor",
        "del channel.position",
        "for channel.position in cursors: pass",
        "setattr(subscriber, 'state', state)",
        "channel.subscribers.add(subscriber)",
        "self._topics.idle.pop(channel)",
        "self._sockets.blocked[subscriber] = now",
        "del hub.users[key]",
    ],
)
def test_a_write_to_another_components_state_is_found(statement):
    assert foreign_writes(statement)


@pytest.mark.parametrize("statement", ["self.state = 1", "names.append(1)", "self._due.pop(key)"])
def test_a_components_write_to_its_own_state_is_permitted(statement):
    assert foreign_writes(statement) == []


def reached_into(source: str) -> list[str]:
    """The inner components of the engine that a module of the application imports or uses."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rtapp.realtime."):
            found.append((node.module or "").removeprefix("rtapp.realtime."))
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("engine"):
            found.append(node.attr)
    return sorted(INNER.intersection(found))


def application() -> list[Path]:
    package = ENGINE.parent
    return [
        path
        for path in sorted(package.rglob("*.py"))
        if path.parent not in (ENGINE, package / "testing")  # the test kit flushes leases
    ]


@pytest.mark.parametrize(
    "path", application(), ids=lambda path: str(path.relative_to(ENGINE.parent))
)
def test_the_application_does_not_reach_into_the_engine(path):
    assert reached_into(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "from rtapp.realtime.leases import KINDS",
        "engine.leases.submit(1, group, change)",
        'current_app.extensions["engine"].topics\nself._engine.fan_out.deliver(c, p)',
    ],
)
def test_reaching_into_the_engine_is_found(source):
    assert reached_into(source)
