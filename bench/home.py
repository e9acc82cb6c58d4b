"""The folder from which processes of the benchmarks start: the one that has `bench`.

It is this checkout or, in a scenario, a folder with a link to its `bench` (see subject.py).
"""

from pathlib import Path

HOME = Path(__file__).parent.parent
