"""The kinds of Redis that hosts may share, with the faults that each can have."""

from abc import ABC
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path

from ..faults.redis_server import RedisServer


class Redises(ABC):
    """Servers that keep the streams of all accounts, each of them on one primary.

    A fault concerns the primary of an account, and lasts until `repair`. After it, `settle` makes
    the servers whole again.
    """

    url: str
    replicates_late: bool  # a primary answers before its replicas have what it was sent

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def accounts_beside(self, account: int, accounts: Iterable[int]) -> set[int]:
        """The accounts on the same primary."""

    @abstractmethod
    def kill(self, account: int) -> None:
        """End the primary at once."""

    @abstractmethod
    def prepare_loss(self, account: int) -> None:
        """What the primary gets from now on is lost when it is killed."""

    @abstractmethod
    def hang(self, account: int) -> None:
        """Stop the primary: it keeps its connections, and does not answer."""

    @abstractmethod
    def repair(self) -> None:
        """Have a primary again in place of the one that failed."""

    @abstractmethod
    def settle(self) -> None:
        """Have as many servers as at the start."""


class OneServer(Redises):
    """One redis-server, which has written to disk what it has answered."""

    replicates_late = False

    def __init__(self, folder: Path):
        folder.mkdir()
        self._server = RedisServer(folder)
        self.url = self._server.url
        self._loses = self._hangs = False

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def accounts_beside(self, account: int, accounts: Iterable[int]) -> set[int]:
        return set(accounts)

    def kill(self, account: int) -> None:
        self._server.kill()
        if self._loses:
            self._server.forget()

    def prepare_loss(self, account: int) -> None:
        self._loses = True

    def hang(self, account: int) -> None:
        self._hangs = True
        self._server.pause()

    def repair(self) -> None:
        if self._hangs:
            self._server.go_on()
        else:
            self._server.start()
        self._loses = self._hangs = False

    def settle(self) -> None:
        pass
