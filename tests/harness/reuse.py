"""What costs a test more than the test itself and holds nothing of it: compiled code is kept.

Of an application that is made for each test, half the time went into compiling the same SQL
statements, URL rules and templates again. The applications themselves are made anew.
"""

from collections import defaultdict
from pathlib import Path
from types import CodeType
from types import FunctionType
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine
from werkzeug.routing import Rule

from rtapp.extensions import db


class Reuse:
    """Engines with their compiled statements, but without connections; rules' code; templates."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self._free: dict[str, list[Engine]] = defaultdict(list)
        self._keys: dict[Engine, str] = {}
        self._codes: dict[tuple[object, ...], CodeType] = {}
        self._templates = FileSystemBytecodeCache(str(folder))
        make_engine = SQLAlchemy._make_engine
        compile_builder = Rule._compile_builder

        def engine(own: SQLAlchemy, bind: str | None, options: dict[str, Any], app: Flask) -> Any:
            key = repr(sorted(options.items()))
            free = self._free[key]
            made: Engine = free.pop() if free else make_engine(own, bind, options, app)
            self._keys[made] = key
            return made

        def builder(rule: Rule, append_unknown: bool = True) -> Any:
            if rule.defaults:
                return compile_builder(rule, append_unknown)
            key = (rule.rule, tuple(rule._trace), append_unknown)
            if key not in self._codes:
                self._codes[key] = compile_builder(rule, append_unknown).__code__
            return FunctionType(self._codes[key], {})

        patch.setattr(SQLAlchemy, "_make_engine", engine)
        patch.setattr(Rule, "_compile_builder", builder)

    def templates_of(self, app: Flask) -> None:
        app.jinja_env.bytecode_cache = self._templates

    def give_back(self, app: Flask) -> None:
        """Closes the application's connections; the next one may have its engine."""
        with app.app_context():
            engine = db.engine
        engine.dispose()
        app.extensions["probing"].dispose()
        self._free[self._keys.pop(engine)].append(engine)
