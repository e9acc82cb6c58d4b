"""Static files over a real socket, from both servers: what a client receives and can decode."""

import re

import httpx

from .test_tables import SERVERS

FOREVER = "public, max-age=31536000, immutable"


@SERVERS
def test_a_server_sends_static_files_in_the_coding_that_a_client_accepts(start, workers):
    server = start(workers)
    for coding in ("br", "gzip", "identity"):
        headers = {"Accept-Encoding": coding}
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers) as client:
            page = client.get("/login", headers={"Accept": "text/html"})
            assert "Content-Encoding" not in page.headers
            (style,) = re.findall(r'"(/static/v[0-9a-f]{16}/[^"]+\.css)"', page.text)
            for method in ("GET", "HEAD", "GET"):  # on one connection
                answer = client.request(method, style)
                assert answer.status_code == 200
                assert answer.headers["Cache-Control"] == FOREVER
                assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
                assert answer.headers.get("Content-Encoding", "identity") == coding
                assert answer.headers["Vary"] == "Accept-Encoding"
                assert (":root" in answer.text) == (method == "GET")
                received = answer.num_bytes_downloaded
                length = int(answer.headers["Content-Length"])
                assert received == (length if method == "GET" else 0)
