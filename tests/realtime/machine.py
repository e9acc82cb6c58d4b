"""Strategies and settings of both state machines."""

import hypothesis.strategies as st
from hypothesis import HealthCheck
from hypothesis import settings

from .model import TOPICS

some_topics = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True)
which = st.integers(0, 1000)  # the index of a choice, modulo the number of choices


def searched(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=True,
    )
