"""What the documents show of the published runs."""

from pathlib import Path

from .home import HOME

RUNS = 2
PUBLISHED = HOME / "bench" / "published"


def raw(number: int) -> Path:
    """The file of the run of this number, from 1."""
    PUBLISHED.mkdir(exist_ok=True)
    return PUBLISHED / f"run-{number}.json"


def write() -> None:
    pass
