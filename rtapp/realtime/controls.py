"""Control messages, which every shard delivers: each is to be handled once. Pure."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from collections.abc import Iterator

KEPT = 10_000  # of the newest messages, to recognise when another shard delivers them


def message(text: str) -> str:
    """Return the payload of a new control message."""
    return f"{secrets.token_hex(8)} {text}"


class Controls:
    """The messages that this process has received lately."""

    def __init__(self) -> None:
        self._received: OrderedDict[bytes, None] = OrderedDict()

    def fresh(self, payloads: Iterable[bytes]) -> Iterator[bytes]:
        """Return the texts of those that have not been received before."""
        for payload in payloads:
            id, _, text = payload.partition(b" ")
            if id not in self._received:
                self._received[id] = None
                if len(self._received) > KEPT:
                    self._received.popitem(last=False)
                yield text
