"""Signatures with the time on which all hosts agree: one host's are verified by another."""

from itsdangerous import TimestampSigner

from . import clock


class ClockSigner(TimestampSigner):
    def get_timestamp(self) -> int:
        return int(clock.now().timestamp())
