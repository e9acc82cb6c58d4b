"""ES modules in one script, which a page loads at once and which compresses as a whole.

Each module is a function that returns its exports, called in the order in which the modules need
one another. That is all a module is, as ours have no cycles and change no binding that they export.
An import or export of another form than ours is an error, never a wrong script.
"""

import posixpath
import re
from collections.abc import Callable

NAMES = r"\{([\w\s,]*)\}"
IMPORT = re.compile(rf'^import {NAMES} from "(\.{{1,2}}/[\w./]+)";$', re.M)
REEXPORT = re.compile(rf'^export {NAMES} from "(\.{{1,2}}/[\w./]+)";$', re.M)
LIST = re.compile(rf"^export {NAMES};$", re.M)
DECLARATION = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.M)
# What is left of one that none of these has matched.
UNKNOWN = re.compile(r"^(?:import|export)\b(?!\().*", re.M)


class Unbundled(ValueError):
    """A module has what can't be bundled."""


def bundled(entry: str, read: Callable[[str], str]) -> str:
    """The script of the module `entry`. `read(name)` returns a module's source."""
    modules: dict[str, str] = {}
    add(entry, read, modules, ())
    return "\n".join(modules.values())


def add(
    name: str, read: Callable[[str], str], modules: dict[str, str], within: tuple[str, ...]
) -> None:
    """Add the modules that this one needs, then itself. Raises Unbundled."""
    if name in within:
        raise Unbundled(f"{name} imports itself, by {' and '.join(within)}")
    if name in modules:
        return
    source = read(name)
    needed = [found[2] for each in (IMPORT, REEXPORT) for found in each.finditer(source)]
    for path in needed:
        add(resolved(name, path), read, modules, (*within, name))
    modules[name] = function(name, source, list(modules))


def function(name: str, source: str, earlier: list[str]) -> str:
    """The module as a function, called at once. `earlier`: the modules before it."""
    exports: list[str] = []

    def variable(path: str) -> str:
        return f"m{earlier.index(resolved(name, path))}"

    def imported(found: re.Match[str]) -> str:
        return f"const {{ {pairs(found[1])} }} = {variable(found[2])};"

    def reexported(found: re.Match[str]) -> str:
        exports.extend(f"{each}: {variable(found[2])}.{each}" for each in names(found[1]))
        return ""

    def listed(found: re.Match[str]) -> str:
        exports.extend(names(found[1]))
        return ""

    def declared(found: re.Match[str]) -> str:
        exports.append(found[2])
        return f"{found[1]} {found[2]}"

    body = IMPORT.sub(imported, source)
    body = REEXPORT.sub(reexported, body)
    body = LIST.sub(listed, body)
    body = DECLARATION.sub(declared, body)
    if (unknown := UNKNOWN.search(body)) is not None:
        raise Unbundled(f"{name} has `{unknown[0]}`, which can't be bundled")
    return f"const m{len(earlier)} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();"


def resolved(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def names(text: str) -> list[str]:
    """Of a list without `as`. Raises Unbundled."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if any(" " in part for part in found):
        raise Unbundled(f"{{{text}}} exports under another name")
    return found


def pairs(text: str) -> str:
    """The names of an import as those of a destructuring: `a as b` is `a: b`."""
    return ", ".join(
        re.sub(r"\s+as\s+", ": ", part.strip()) for part in text.split(",") if part.strip()
    )
