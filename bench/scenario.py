"""Run one scenario in the current folder, which subject.py has made.

`python -m bench.scenario NAME [--quick]` leaves its rows in `rows.json`, those before an error too.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from .lab import Lab
from .measures import raise_descriptor_limit
from .scenarios import scenario
from .subject import stored_world


def main() -> None:
    raise_descriptor_limit()
    lab = Lab(Path("scenarios").absolute(), stored_world(), "--quick" in sys.argv)
    try:
        scenario(sys.argv[1])(lab)
    finally:
        rows = [{k: v for k, v in asdict(row).items() if k != "server"} for row in lab.rows]
        Path("rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
