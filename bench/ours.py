"""Our server as one of those that are compared."""

from types import TracebackType

from .lab import Lab
from .load import Target
from .publisher import Publisher
from .rival import Rival

CONVERSATION = 1


class Ours(Rival):
    name = "rtapp"
    note = "with replay, access, presence of the viewers"
    of_many = True
    resumes = True

    def __init__(self, lab: Lab):
        self._server = lab.server()
        self.port = self._server.port

    def __enter__(self) -> "Ours":
        self._server.__enter__()
        self._publisher = Publisher(self._server.broker)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def targets(self) -> list[Target]:
        return self._server.world.targets([f"/streams/conversations/{CONVERSATION}"])

    def publish(self, number: int) -> None:
        self._publisher.publish(CONVERSATION, number=number)

    def pids(self) -> list[int]:
        return [self._server.pid]
