"""Files for the user of the process alone, whatever its umask: folders 0700, files 0600.

The umask itself stays: it also decides about files that are the operator's, as logs, or a socket
that a proxy connects to.
"""

import logging
import os
import stat
from pathlib import Path

FOLDER = 0o700
FILE = 0o600
OTHERS = 0o077  # the permissions of the group and of everybody else
CHILD_UMASK = OTHERS  # for a process that makes files in a private folder

logger = logging.getLogger(__name__)


def make_folder(path: Path) -> None:
    """Make the folder, or take a folder that was there before, with all that is in it.

    Logs an error for each file and folder that stays open to others. Raises OSError if the folder
    can't be made.
    """
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    close_to_others(path)
    for folder, folders, files in os.walk(path):  # does not follow symbolic links
        for name in (*folders, *files):
            close_to_others(Path(folder) / name)


def make_file(path: Path) -> None:
    """Make an empty file, unless it is there. SQLite gives its other files the mode of this one
    (https://sqlite.org/src/file/src/os_unix.c, findCreateFileMode)."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE))


def close_to_others(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not mode & OTHERS:
            return
        path.chmod(stat.S_IMODE(mode) & ~OTHERS)
    except FileNotFoundError:
        pass  # deleted meanwhile, as SQLite and Redis do
    except OSError as error:
        logger.error(
            "%s may be open to other users of this machine, and that can't be changed (%s). "
            "Give it to the user of this process, or `chmod go= %s`.",
            path, error.strerror, path,
        )  # fmt: skip
