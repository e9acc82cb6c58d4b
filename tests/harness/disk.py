"""A disk that loses at a power failure what was not synced to it."""

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("synced.c")


class Disk:
    """The files in some folders, as of their last sync.

    A process started with `environ` keeps a copy of each file that it syncs. Other files are as
    they were when `watch` was called; those made since are lost.
    """

    def __init__(self, folder: Path):
        self._synced = folder / "synced"
        self._synced.mkdir(parents=True)
        library = folder / "synced.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.environ = {"LD_PRELOAD": str(library), "SYNCED": str(self._synced)}
        self._folders: tuple[Path, ...] = ()

    def watch(self, *folders: Path) -> None:
        self._folders = folders
        for copy in self._synced.iterdir():
            copy.unlink()
        for path in self._files():
            shutil.copyfile(path, self._copy_of(path))

    def lose_unsynced(self) -> int:
        """Put each file back to its last sync. Return the bytes that are lost, or were undone."""
        lost = 0
        for path in self._files():
            copy = self._copy_of(path)
            before = path.read_bytes()
            if copy.exists():
                shutil.copyfile(copy, path)
            else:
                path.unlink()
            after = path.read_bytes() if path.exists() else b""
            lost += sum(1 for a, b in zip(before, after, strict=False) if a != b)
            lost += abs(len(before) - len(after))
        here = {self._copy_of(path) for path in self._files()}
        for copy in set(self._synced.iterdir()) - here:
            copy.unlink()  # another file may get its inode
        return lost

    def image(self, folder: Path) -> None:
        """Copy the files as of their last sync into `folder`, by name."""
        folder.mkdir()
        for path in self._files():
            if (copy := self._copy_of(path)).exists():
                shutil.copyfile(copy, folder / path.name)

    def _files(self) -> list[Path]:
        return [
            path
            for folder in self._folders
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.suffix not in (".log", ".lock")
        ]

    def _copy_of(self, path: Path) -> Path:
        return self._synced / str(os.stat(path).st_ino)
