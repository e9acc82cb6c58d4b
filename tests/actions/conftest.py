import pytest
from flask import Flask

from ..world import Other
from .refusals import Refusals


@pytest.fixture
def refusals(app: Flask, other: Other) -> Refusals:
    return Refusals(app, other)
