"""Files to upload, and the upload."""

import io
import zipfile
from typing import Any

from PIL import ExifTags
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse
from werkzeug.test import encode_multipart

from .support import ApiClient
from .support import dashed


def png(width: int = 40, height: int = 20, mode: str = "RGB") -> bytes:
    return saved(Image.new(mode, (width, height), "teal"), "PNG")


def jpeg(width: int = 1200, height: int = 800, orientation: int = 1, place: str = "") -> bytes:
    """`place`: a text in its EXIF."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.ImageDescription] = place
    return saved(Image.new("RGB", (width, height), "teal"), "JPEG", exif=exif)


def saved(picture: Image.Image, format: str, **more: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, format, **more)
    return written.getvalue()


def archive(*names: str) -> bytes:
    """A zip with empty files of these names."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for name in names:
            file.writestr(name, b"")
    return written.getvalue()


def upload(
    client: ApiClient, data: bytes, name: str = "a.png", conversation: int = 1, **headers: str
) -> TestResponse:
    file = FileStorage(io.BytesIO(data), filename=name)
    boundary, body = encode_multipart({"file": file})  # the client would leave a file open
    return client.app.test_client().post(
        f"/conversations/{conversation}/attachments",
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
        headers={**client.headers, **dashed(headers)},
    )


def uploaded(
    client: ApiClient, data: bytes | None = None, name: str = "a.png", conversation: int = 1
) -> dict[str, Any]:
    """The attachment as the answer has it."""
    answer = upload(client, png() if data is None else data, name, conversation)
    assert answer.status_code == 201, answer.text
    attachment: dict[str, Any] = answer.json["attachment"]  # type: ignore[index]
    return attachment
