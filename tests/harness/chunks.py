"""A body in chunks (RFC 9112, section 7.1), as it comes from a raw socket."""


class ChunkDecoder:
    """Takes the body in any pieces. `ended`: the last chunk has come."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return the content of the chunks that are complete now. Raises ValueError for others."""
        data = self._rest + data
        content: list[bytes] = []
        at = 0
        while not self.ended and (line_end := data.find(b"\r\n", at)) >= 0:
            start = line_end + 2
            end = start + int(data[at:line_end], 16)
            if len(data) < end + 2:
                break
            if data[end : end + 2] != b"\r\n":
                raise ValueError(f"a chunk of {end - start} bytes does not end after them")
            self.ended = end == start
            content.append(data[start:end])
            at = end + 2
        self._rest = data[at:]
        if self.ended and self._rest:
            raise ValueError(f"{len(self._rest)} bytes after the last chunk")
        return b"".join(content)
