"""What both state machines are run with."""

import hypothesis.strategies as st
from hypothesis import HealthCheck
from hypothesis import settings

from .model import TOPICS

some_topics = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True)
which = st.integers(0, 1000)  # one of what there is: this, modulo how many there are


def searched(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=True,
    )
