"""Diagnose an error of Redis, or on the way to it: a name for clients, a sentence for operators."""

import re
from typing import NamedTuple

from redis.exceptions import AuthenticationError
from redis.exceptions import BusyLoadingError
from redis.exceptions import ClusterDownError
from redis.exceptions import MasterDownError
from redis.exceptions import MovedError
from redis.exceptions import NoPermissionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import ReadOnlyError
from redis.exceptions import RedisError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .refusal import STATE_CODES


class Diagnosis(NamedTuple):
    """What keeps Redis from its work: a name for clients, and a sentence for operators."""

    name: str
    text: str


class UnfitRedis(RedisError):
    """This Redis answers, but must not be used; the text says why and what to do."""

    name = "redis_unfit"


class NoRecord(OSError):
    """The newest published events can't be loaded from where they are recorded."""


DATABASE_AWAY = Diagnosis("database_away", "The database does not answer.")
AWAY = Diagnosis("redis_away", "Redis can't be reached: it is down, or REDIS_URL is wrong.")
UNVERIFIED = Diagnosis(
    "redis_away",
    "The certificate of Redis is not of an authority that is known here, or not of the host that "
    "REDIS_URL names: see its ssl_ca_certs.",
)
SILENT = Diagnosis("redis_silent", "Redis does not answer: it hangs, or the network does.")
REFUSES = "redis_refuses"
TEXT_LIMIT = 300  # characters of an error without an explanation

# By the code of the error: https://redis.io/docs/latest/develop/reference/protocol-spec/.
EXPLANATIONS = {
    "LOADING": Diagnosis("redis_loading", "Redis is loading its data (LOADING): wait for it."),
    "BUSY": Diagnosis("redis_busy", "Redis is busy with a script (BUSY): see SCRIPT KILL."),
    "MISCONF": Diagnosis(
        "redis_disk",
        "Redis takes no events because it can't write to its disk (MISCONF): make room on it, and "
        "look into Redis's log.",
    ),
    "OOM": Diagnosis(
        "redis_memory",
        "Redis takes no events because its memory is full (OOM): raise maxmemory, or find what "
        "else is stored there.",
    ),
    "READONLY": Diagnosis(
        "redis_replica",
        "This Redis is a replica and takes no events (READONLY): REDIS_URL must lead to the "
        "master.",
    ),
    "MOVED": Diagnosis(
        "redis_cluster",
        "This Redis is a node of a cluster, which has other nodes (MOVED): write redis+cluster:// "
        "in the place of redis:// in REDIS_URL.",
    ),
    "CLUSTERDOWN": Diagnosis(
        "redis_cluster_down",
        "The Redis Cluster takes no events, because some slots have no node or most nodes are away "
        "(CLUSTERDOWN): see `redis-cli --cluster check`.",
    ),
    "MASTERDOWN": Diagnosis(
        "redis_replica",
        "This Redis is a replica that has lost its master (MASTERDOWN): REDIS_URL must lead to the "
        "master.",
    ),
    "NOREPLICAS": Diagnosis(
        "redis_replicas",
        "Redis takes no events because too few replicas are connected (NOREPLICAS): see "
        "min-replicas-to-write.",
    ),
    "NOAUTH": Diagnosis(REFUSES, "Redis wants a password (NOAUTH): put it into REDIS_URL."),
    "WRONGPASS": Diagnosis(REFUSES, "Redis refuses the user or password of REDIS_URL (WRONGPASS)."),
    "NOPERM": Diagnosis(
        REFUSES, "Redis does not permit what rtapp does (NOPERM): see the ACL of REDIS_URL's user."
    ),
}
# What Redis 6.2 and 7 answer for a command or channel of a script, under the code ERR.
FORBIDDEN_IN_SCRIPT = re.compile(r"user executing the script can't|ACL failure in script")
# What a server that wants a password answers for a command of more than ten words.
UNAUTHENTICATED = re.compile(r"unauthenticated (multi)?bulk length")
CODES_OF: dict[type[RedisError], str] = {
    BusyLoadingError: "LOADING",
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
    NoPermissionError: "NOPERM",
    MovedError: "MOVED",
    MasterDownError: "MASTERDOWN",  # before its base, ClusterDownError
    ClusterDownError: "CLUSTERDOWN",
}


def code_of(error: Exception) -> str | None:
    """The code of an error that Redis answered, None without one that is known here."""
    for kind, code in CODES_OF.items():
        if isinstance(error, kind):
            return code
    if isinstance(error, AuthenticationError):
        # https://redis.io/docs/latest/commands/auth/: older servers answer ERR invalid password.
        return "NOAUTH" if "required" in str(error) else "WRONGPASS"
    if not isinstance(error, ResponseError):
        return None
    if FORBIDDEN_IN_SCRIPT.search(str(error)):
        return "NOPERM"
    if UNAUTHENTICATED.search(str(error)):
        return "NOAUTH"
    found = STATE_CODES.search(str(error))
    return found.group() if found else None


def diagnose(error: Exception) -> Diagnosis:
    """What an error of Redis, or on the way to it, means for an operator."""
    if isinstance(error, UnfitRedis):
        return Diagnosis(error.name, str(error))
    if isinstance(error, NoRecord):
        return DATABASE_AWAY
    code = code_of(error)
    if code in EXPLANATIONS:
        return EXPLANATIONS[code]
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return SILENT
    if isinstance(error, ResponseError):
        return Diagnosis(REFUSES, f"Redis refuses commands: {str(error)[:TEXT_LIMIT]}")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return UNVERIFIED
    return AWAY
