"""Origins of websites: one form for each, and no other text."""

import pytest

from rtapp.origins import origin

SAME = {
    "https://shop.example": ["HTTPS://Shop.EXAMPLE", "https://shop.example/",
                             "https://shop.example:443", "  https://shop.example:00443/ "],
    "https://shop.example:8080": ["https://shop\u200b.example:8080"],  # browsers drop it, too
    "https://shop.example:8443": ["https://SHOP.example:8443"],
    "https://xn--bcher-kva.example": ["https://bücher.example", "https://BÜCHER.example",
                                      "https://bu\u0308cher.example", "https://ｂücher。example",
                                      "https://xn--bcher-kva.example"],
    "https://xn--fa-hia.example": ["https://faß.example"],
    "http://localhost": ["http://localhost:80"],
    "http://localhost:3000": ["http://LOCALHOST:3000/"],
    "http://shop.localhost:3000": ["http://shop.localhost:3000"],
    "http://127.0.0.1:8080": ["http://127.0.0.1:8080"],
    "https://127.0.0.1": ["https://127.0.0.1"],
    "https://intranet": ["https://intranet"],
}  # fmt: skip
REFUSED = {
    "begin with https://": [
        "", " ", "shop.example", "//shop.example", "javascript:alert(1)", "data:text/html,x",
        "ftp://shop.example", "wss://shop.example", "https:/shop.example", "http://shop.example",
        "http://localhost.example", "http://notlocalhost", "file:///etc/passwd",
    ],
    "files and sandboxed frames": ["null", "NULL"],
    "wildcard": ["*", "https://*", "https://*.shop.example", "https://shop.example:*"],
    "leave out what follows": [
        "https://shop.example/path", "https://shop.example//", "https://shop.example?x",
        "https://shop.example#x", "https://shop.example\\x",
        "https://shop.example/ https://two.example",
    ],
    "a user before the host": ["https://user@shop.example", "https://u:p@shop.example",
                               "https://localhost@evil.example", "https://@shop.example"],
    "a port from 1 to 65535": [
        "https://shop.example:99999", "https://shop.example:65536", "https://shop.example:0",
        "https://shop.example:", "https://shop.example:-1", "https://shop.example:８",
        "https://shop.example:1:2", "https://shop.example:x", "https://shop.example:443 ;",
    ],
    "a host's name": [
        "https://10.0.0.1", "http://10.0.0.1", "https://127.1", "https://2130706433", "https://0x7f.1",
        "https://[::1]", "http://[::1]:3000", "https://[::ffff:127.0.0.1]",
    ],
    "the name of a host": [
        "https://", "https:///", "https://shop..example", "https://.example",
        "https://shop.example.", "https://-shop.example", "https://shop_1.example",
        "https://shop example", "https://shop\texample", "https://shop\x00.example",
        "https://shop;script-src.example", "https://shop,example", "https://shop%2eexample",
        "https://☃.example", "https://sh\u202eop.example",
        "https://\ud800.example", "https://" + "a" * 64 + ".example",
        "https://" + "ü" * 60 + ".example", "https://" + "a." * 127 + "example",
    ],
    "more than 300 characters": ["https://" + "a" * 10_000, "https://" + "ü" * 10_000],
}  # fmt: skip


@pytest.mark.parametrize("one_form", SAME)
def test_an_origin_has_one_form_however_it_is_written(one_form):
    for text in SAME[one_form]:
        assert origin(text) == one_form
    assert origin(one_form) == one_form


@pytest.mark.parametrize("words", REFUSED)
def test_a_text_that_is_no_origin_is_refused_with_the_reason(words):
    for text in REFUSED[words]:
        with pytest.raises(ValueError, match=words):
            origin(text)
