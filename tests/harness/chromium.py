"""The Chromium that tests drive."""

import shutil

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run"]  # fmt: skip


def chromium_path(*, whole: bool = False) -> str | None:
    """Return the path of Chromium's headless shell, which needs two thirds of the processor time,
    or else of the whole browser; None if there is neither.

    Only the whole browser has notifications and the back/forward cache.
    """
    names = ["chromium", "chromium-browser"]
    if not whole:
        names.insert(0, "chromium-headless-shell")
    return next((path for name in names if (path := shutil.which(name))), None)
