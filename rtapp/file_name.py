"""Names of files that others have chosen: made safe to show, and to store on a disk."""

import unicodedata
from pathlib import PurePosixPath

from rtapp.config import ATTACHMENT_NAME_LIMIT

# The suffixes of each type, the usual one first. A file with another one gets the usual one: a text
# that is named as a program must not be started by opening it.
SUFFIXES = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg", ".jfif"),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "application/pdf": (".pdf",),
    "application/zip": (".zip",),
    "text/plain": (".txt", ".log", ".md"),
    "text/csv": (".csv",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (".xlsx",),
}
# What a browser offers to choose.
ACCEPT = ",".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
# Of controls, formats (directions too), surrogates, private use, and lines.
LEFT_OUT = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
RESERVED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))  # on Windows


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def cleaned(name: str, content_type: str) -> str:
    """The last part of a path that somebody has named, on one line, without characters that can't
    be seen, with a suffix of the type, cut to ATTACHMENT_NAME_LIMIT."""
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(each for each in last if unicodedata.category(each) not in LEFT_OUT)
    plain = " ".join(seen.translate(RESERVED).split()).strip(". ") or "file"
    suffixes = SUFFIXES.get(content_type, ("",))
    stem, suffix = plain, suffixes[0]
    for own in suffixes:
        if own and plain.lower().endswith(own):
            stem, suffix = plain[: -len(own)], plain[-len(own) :]
    return (stem[: ATTACHMENT_NAME_LIMIT - len(suffix)].rstrip() or "file") + suffix
