"""Classify an error with which Redis refused a publication: Redis's state, or the publication.

A state passes, and the publication must wait for that. An error of the publication never passes,
and must not keep the others waiting.
"""

import re

from redis.exceptions import AskError
from redis.exceptions import ClusterDownError
from redis.exceptions import DataError
from redis.exceptions import NoPermissionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import ReadOnlyError
from redis.exceptions import RedisError
from redis.exceptions import ResponseError
from redis.exceptions import TryAgainError

# The classes that redis-py has for codes; it takes the code out of the text.
STATES = (
    AskError,  # and MovedError
    ClusterDownError,  # and MasterDownError
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
# Redis 6.2 wraps the error of a script's command in an error of code ERR, whose text has the
# original: "Error running script (…): @user_script:24: @user_script: 24: -OOM command not …".
STATE_CODES = re.compile(
    r"\b(ASK|BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|MOVED|NOAUTH|NOPERM|NOREPLICAS|OOM"
    r"|READONLY|TRYAGAIN|UNKILLABLE)\b"
)
# What a script answers for a key of a slot that is being moved to another node (scripts: 7.0.15,
# script.c), under the code ERR.
BEING_MOVED = re.compile(r"\bnon local key\b")
WRONG_TYPE = re.compile(r"\bWRONGTYPE\b")
REDIRECTION = re.compile(r"(ASK|CLUSTERDOWN|CROSSSLOT|MOVED|TRYAGAIN)\b")


def is_redirection(text: str) -> bool:
    """Whether an error means that another node of a cluster has the slot, or none at the moment."""
    return REDIRECTION.match(text) is not None


def is_state(error: Exception) -> bool | None:
    """Return True if Redis is away or in no state to publish, False if the publication is at fault,
    None if that is unknown.

    https://redis.io/docs/latest/develop/reference/protocol-spec/ (simple errors): the first word of
    an error is its code, and codes other than ERR let clients distinguish errors.
    """
    if not isinstance(error, RedisError):
        return isinstance(error, OSError | MemoryError)  # else it could not be encoded
    if isinstance(error, DataError) or WRONG_TYPE.search(str(error)):
        return False
    if not isinstance(error, ResponseError) or isinstance(error, STATES):
        return True
    passes = STATE_CODES.search(str(error)) or BEING_MOVED.search(str(error))
    return True if passes else None
