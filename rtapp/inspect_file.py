"""Inspects one file: its type by content, and of a picture its size and a thumbnail.

A program of its own, which media.py starts for each upload: a hostile file can use up this process
alone. It reads the file from its standard input, and writes a line of JSON to its standard output:
`{"type": …}`, or `{"refused": …}`, the end of a sentence about the file. A picture's line has
`width` and `height` too, and the thumbnail, in PNG or JPEG, follows it.
"""

import io
import json
import re
import resource
import struct
import sys
import zipfile

import puremagic
from PIL import ExifTags
from PIL import Image
from PIL import ImageOps

MEMORY = 768 * 1024 * 1024  # bytes of addresses
PROCESSOR = 10  # s
PIXELS = 60_000_000  # of a picture: a telephone's best camera, decoded in 240 MB
EDGE = 480  # pixels of a thumbnail, at most
ENTRIES = 10_000  # files in a zip

PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}
PDF, ZIP, TEXT = "application/pdf", "application/zip", "text/plain"
OFFICE = "application/vnd.openxmlformats-officedocument"
# A file in the zip that only this type has.
DOCUMENTS = {
    "word/document.xml": f"{OFFICE}.wordprocessingml.document",
    "xl/workbook.xml": f"{OFFICE}.spreadsheetml.sheet",
}
MARKUP_TYPES = {"image/svg+xml", "text/html", "text/xml", "application/xml"}
MARKUP = re.compile(rb"\s*<(!doctype|!--|html|head|body|script|svg|\?xml)\b", re.IGNORECASE)
NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TAKEN = "Send a picture (PNG, JPEG, GIF, WebP), PDF, text, CSV, Word, Excel or zip file"
# What Pillow raises for a damaged file.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, struct.error, OverflowError)
SMOOTH = {"RGB", "RGBA", "L", "LA", "CMYK"}  # modes that can be made smaller as they are
TURNED = range(5, 9)  # the orientations of EXIF that exchange width and height


class RefusedError(Exception):
    """The file is not taken. The text is the end of a sentence about it."""


def inspected(data: bytes) -> tuple[dict[str, object], bytes]:
    """What is written about the file, and the thumbnail. Raises RefusedError."""
    if not data:
        raise RefusedError("is empty")
    types = candidates(data)
    picture = next((name for name in PICTURES if name in types), None)
    if picture is not None:
        return of_picture(data, picture)
    if PDF in types:
        return {"type": PDF}, b""
    if ZIP in types or data.startswith(b"PK\x03\x04"):
        return {"type": of_zip(data)}, b""
    if types & MARKUP_TYPES or MARKUP.match(data.removeprefix(BYTE_ORDER_MARK)):
        raise RefusedError(f"is a page or a drawing in markup (HTML, SVG, XML). {TAKEN}")
    if NOT_TEXT.search(data):
        raise RefusedError(f"is of a type that is not taken. {TAKEN}")
    return {"type": TEXT}, b""


def candidates(data: bytes) -> set[str]:
    try:
        return {match.mime_type for match in puremagic.magic_string(data)}
    except (puremagic.PureError, ValueError):
        return set()


def of_zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise RefusedError("is damaged: it begins as a zip, and is none") from error
    if len(names) > ENTRIES:
        raise RefusedError(f"has more than {ENTRIES} files in it")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise RefusedError("has macros, which could do harm. Save it without them")
    return next((of for name, of in DOCUMENTS.items() if name in names), ZIP)


def of_picture(data: bytes, type: str) -> tuple[dict[str, object], bytes]:
    try:
        with Image.open(io.BytesIO(data), formats=[PICTURES[type]]) as picture:
            width, height = picture.size
            if width * height > PIXELS:
                raise RefusedError(f"has more than {PIXELS // 1_000_000} million pixels")
            if picture.getexif().get(ExifTags.Base.Orientation, 1) in TURNED:
                width, height = height, width
            picture.draft("RGB", (EDGE * 2, EDGE * 2))  # a JPEG is decoded smaller
            picture.load()
            small = thumbnail(picture)
    except DAMAGE as error:
        raise RefusedError("is damaged, or no picture: it can't be shown") from error
    return {"type": type, "width": width, "height": height}, small


def thumbnail(picture: Image.Image) -> bytes:
    """The picture within EDGE, upright, of pixels alone: no EXIF, no comment, no profile."""
    has_alpha = picture.has_transparency_data
    mode = "RGBA" if has_alpha else "RGB"
    if picture.mode not in SMOOTH:
        picture = picture.convert(mode)
    picture.thumbnail((EDGE, EDGE))  # first: what follows copies it
    small = ImageOps.exif_transpose(picture).convert(mode)
    plain = Image.new(mode, small.size)
    plain.paste(small)
    written = io.BytesIO()
    if has_alpha:
        plain.save(written, "PNG")
    else:
        plain.save(written, "JPEG", quality=80)
    return written.getvalue()


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.MAX_IMAGE_PIXELS = None  # PIXELS is the limit


def main() -> None:
    limit()
    try:
        found, small = inspected(sys.stdin.buffer.read())
    except RefusedError as error:
        found, small = {"refused": str(error)}, b""
    except MemoryError:
        found, small = {"refused": "needs too much memory to be looked at"}, b""
    sys.stdout.buffer.write(json.dumps(found).encode() + b"\n" + small)


if __name__ == "__main__":
    main()
