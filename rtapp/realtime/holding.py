"""What this process holds in an account, as it knows it; Redis has its own count."""


class Holding:
    """`process` is the name under which leases are held in the account, `streams` the number of
    open streams that may, `changes` how many changes were sent under that name.

    `doubtful`: Redis may lack some of them. Then everything is held again, under another name; the
    lease of the first one lapses, and with it what is held no longer.
    """

    def __init__(self, process: str):
        self.process = process
        self.streams = 0
        self.changes = 0
        self.doubtful = False

    def opened(self) -> None:
        self.streams += 1

    def closed(self) -> None:
        self.streams -= 1

    def changed(self) -> None:
        self.changes += 1

    def compare(self, changes: int) -> None:
        """Compare what was sent with the changes that Redis has."""
        self.doubtful = self.doubtful or changes != self.changes

    def doubt(self) -> None:
        self.doubtful = True

    def begin_anew(self, process: str) -> None:
        self.process = process
        self.changes = 0
        self.doubtful = False
