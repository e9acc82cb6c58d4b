"""npm packages that only tests need, installed in /tmp and kept from one run to the next."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def installed(*packages: str) -> Path:
    """Return the `node_modules` with these `name@version`s, kept between runs.

    Skips the test, with a reason, if npm is missing or can't fetch them.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip(f"SKIPPED: there is no npm to install {', '.join(packages)}")
    name = re.sub(r"[^a-z0-9.@-]", "_", "-".join(packages))
    folder = Path("/tmp") / f"rtapp-npm-{os.getuid()}-{name}"
    folder.mkdir(exist_ok=True, mode=0o700)
    if not (folder / "installed").exists():
        done = subprocess.run(
            [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", *packages],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            pytest.skip(f"SKIPPED: npm could not install {packages}: {done.stderr[-300:]}")
        (folder / "installed").touch()
    return folder / "node_modules"
