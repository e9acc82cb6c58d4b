"""How files are served: as what they are, and never as a page of ours."""

import io

import pytest
from PIL import ExifTags
from PIL import Image

from ..files import jpeg
from ..files import png
from ..files import saved
from ..files import uploaded

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    ("data", "name", "disposition", "content_type"),
    [
        (png(), "a b.png", 'inline; filename="a b.png"', "image/png"),
        (b"%PDF-1.7", "a.pdf", "attachment; filename=a.pdf", "application/pdf"),
        (b"text", "ä.txt", "filename*=UTF-8''%C3%A4.txt", "text/plain; charset=utf-8"),
    ],
)
def test_a_picture_is_shown_and_another_file_saved(ada, data, name, disposition, content_type):
    answer = ada.get(uploaded(ada, data, name)["url"])
    assert answer.data == data
    assert answer.headers["Content-Type"] == content_type
    assert disposition in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("; sandbox")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Cookie" in answer.headers["Vary"]
    assert "Authorization" in answer.headers["Vary"]


def test_a_browser_asks_again_and_gets_304_while_it_may_read(ada, kevin):
    file = uploaded(ada)
    etag = ada.get(file["url"]).headers["ETag"]
    again = ada.get(file["url"], if_none_match=etag)
    assert (again.status_code, again.data) == (304, b"")
    assert kevin.get(file["url"], if_none_match=etag).status_code == 404
    assert ada.get(file["thumbnail_url"], if_none_match=etag).status_code == 200


def test_a_part_of_a_file_is_answered(ada):
    file = uploaded(ada, b"0123456789", "a.txt")
    part = ada.get(file["url"], range="bytes=2-4")
    assert (part.status_code, part.data) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"


def test_a_thumbnail_is_upright_and_has_pixels_alone(ada):
    data = jpeg(1200, 800, orientation=6, place="at home")
    assert b"at home" in data
    file = uploaded(ada, data)
    assert (file["width"], file["height"]) == (800, 1200)
    small = ada.get(file["thumbnail_url"])
    assert b"at home" not in small.data
    picture = Image.open(io.BytesIO(small.data))
    assert picture.size == (320, 480)
    assert ExifTags.Base.Orientation not in picture.getexif()


def test_a_transparent_picture_has_a_transparent_thumbnail(ada):
    small = ada.get(uploaded(ada, png(900, 30, "RGBA"))["thumbnail_url"])
    assert (small.mimetype, Image.open(io.BytesIO(small.data)).mode) == ("image/png", "RGBA")


@pytest.mark.parametrize(
    ("mode", "format"),
    [("1", "PNG"), ("P", "GIF"), ("I;16", "PNG"), ("CMYK", "JPEG"), ("LA", "PNG"), ("L", "WEBP")],
)
def test_a_picture_of_each_kind_has_a_thumbnail(ada, mode, format):
    file = uploaded(ada, saved(Image.new(mode, (960, 480)), format), "a")
    small = Image.open(io.BytesIO(ada.get(file["thumbnail_url"]).data))
    assert (small.size, small.mode) == ((480, 240), "RGBA" if mode == "LA" else "RGB")


def test_a_picture_of_as_many_pixels_as_allowed_fits_into_the_memory(ada):
    """In the mode that takes the most."""
    file = uploaded(ada, png(10_000, 6_000, "RGBA"))
    assert (file["width"], file["height"]) == (10_000, 6_000)


def test_a_file_without_a_picture_has_no_thumbnail(ada):
    file = uploaded(ada, b"text", "a.txt")
    assert ada.get(f"{file['url']}/thumbnail").status_code == 404


@pytest.mark.parametrize("key", ["x", "x" * 32, "x" * 5000, "%00" * 32, "..%2f..%2fetc", "é" * 32])
def test_a_key_that_there_is_not_is_404(ada, key):
    assert ada.get(f"/attachments/{key}").status_code == 404
    assert ada.get(f"/attachments/{key}/thumbnail").status_code == 404


def test_a_file_that_the_storage_has_lost_is_404(app, ada):
    file = uploaded(ada)
    (app.extensions["storage"].folder / file["key"]).unlink()
    assert ada.get(file["url"]).status_code == 404
    assert ada.get(file["thumbnail_url"]).status_code == 200
