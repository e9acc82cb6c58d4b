"""Imports point to lower layers, function-local ones too, by the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

RUNGS = (
    (0, ("rtapp.private_files",)),
    (
        1,
        (
            "rtapp.addresses",
            "rtapp.bundle",
            "rtapp.clock",
            "rtapp.content_codings",
            "rtapp.contrast",
            "rtapp.devices",
            "rtapp.error_words",
            "rtapp.inspect_file",
            "rtapp.mail_server",
            "rtapp.origins",
            "rtapp.passwords",
            "rtapp.push_endpoint",
            "rtapp.realtime",
            "rtapp.scopes",
            "rtapp.text",
            "rtapp.totp",
            "rtapp.vapid",
        ),
    ),
    (
        2,
        (
            "rtapp.accent",
            "rtapp.config",
            "rtapp.database_clock",
            "rtapp.folding",
            "rtapp.markup",
            "rtapp.media",
            "rtapp.static_files",
            "rtapp.timestamp_signer",
        ),
    ),
    (
        3,
        (
            "rtapp.access_log",
            "rtapp.claims",
            "rtapp.extensions",
            "rtapp.errors",
            "rtapp.excerpts",
            "rtapp.file_name",
            "rtapp.listener",
            "rtapp.presence",
            "rtapp.sql_errors",
        ),
    ),
    (4, ("rtapp.database", "rtapp.models", "rtapp.storage")),
    (5, ("rtapp.grants",)),
    (
        6,
        (
            "rtapp.access",
            "rtapp.events",
            "rtapp.schema",
            "rtapp.search",
            "rtapp.tokens",
            "rtapp.uses",
            "rtapp.website_secrets",
        ),
    ),
    (7, ("rtapp.auth",)),
    (
        8,
        (
            "rtapp.answers",
            "rtapp.backup",
            "rtapp.checks",
            "rtapp.first_run",
            "rtapp.doctor",
            "rtapp.services",
            "rtapp.validation",
            "rtapp.queries",
            "rtapp.ratelimits",
            "rtapp.unread",
        ),
    ),
    (
        9,
        (
            "rtapp.actions",
            "rtapp.cors",
            "rtapp.mail",
            "rtapp.push",
            "rtapp.streams",
            "rtapp.pages",
        ),
    ),
    (
        10,
        (
            "app",
            "rtapp",
            "rtapp.cli",
            "rtapp.server",
            "rtapp.poller",
            "rtapp.seed",
            "rtapp.starting",
            "rtapp.testing",
            "rtapp.worker",
        ),
    ),
)


def unit(module: str) -> str:
    """Return the unit of a rung: a module of rtapp, or a package with all its modules."""
    return ".".join(module.split(".")[:2])


def rung(module: str) -> int:
    for number, units in RUNGS:
        if unit(module) in units:
            return number
    raise AssertionError(f"{module} has no rung: add it to RUNGS")


def imports(module: str, is_package: bool, source: str) -> set[str]:
    """Return the modules of rtapp that a module imports, at any place in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            if origin in ("rtapp", ""):  # from rtapp import access: the name is the module
                found |= {module_named(f"rtapp.{alias.name}") for alias in node.names}
            else:
                found.add(origin)
    return {name for name in found if name == "rtapp" or name.startswith("rtapp.")}


def module_named(name: str) -> str:
    """Resolve `from rtapp import x` to the module x, or to rtapp without such a module."""
    path = ROOT / name.replace(".", "/")
    return name if path.is_dir() or path.with_suffix(".py").exists() else "rtapp"


def offences(module: str, is_package: bool, source: str) -> list[str]:
    own = rung(module)
    return [
        f"{module} (rung {own}) imports {other} (rung {rung(other)})"
        for other in sorted(imports(module, is_package, source))
        if unit(other) != unit(module) and rung(other) >= own and own < 10
    ]


def modules():
    for path in [ROOT / "app.py", *sorted((ROOT / "rtapp").rglob("*.py"))]:
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if is_package else parts), is_package, path


@pytest.mark.parametrize(("module", "is_package", "path"), list(modules()), ids=lambda v: str(v))
def test_a_module_imports_only_from_lower_layers(module, is_package, path):
    assert offences(module, is_package, path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rtapp.realtime.hub", "from rtapp.models import User"),
        ("rtapp.models.user", "def f():\n    from rtapp import access"),
        ("rtapp.actions.message", "from rtapp.pages import login"),
        ("rtapp.actions.message", "from ..streams.base import bp"),
        ("rtapp.events.outbox", "import rtapp.services.send_message"),
    ],
)
def test_an_import_from_the_same_or_a_higher_layer_is_found(module, source):
    assert offences(module, False, source)
