"""The Chromium that tests drive."""

import shutil

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run"]  # fmt: skip


def chromium_path(*, notifications: bool = False) -> str | None:
    """Return the path of Chromium's headless shell, which needs two thirds of the processor time
    and shows no notifications, or else of the whole browser; None if there is neither."""
    names = ("chromium", "chromium-browser")
    if not notifications:
        names = ("chromium-headless-shell", *names)
    return next((path for name in names if (path := shutil.which(name))), None)
