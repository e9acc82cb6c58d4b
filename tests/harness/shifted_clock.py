"""A clock that is wrong, for one process."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def shifted(folder: Path, seconds: int) -> dict[str, str]:
    """Variables with which a process has a clock that is so many seconds ahead."""
    library = folder / "shifted_clock.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"LD_PRELOAD": str(library), "SHIFT": str(seconds)}
