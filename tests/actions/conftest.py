import pytest

from .refusals import Refusals


@pytest.fixture
def refusals(app, other):
    return Refusals(app, other)
