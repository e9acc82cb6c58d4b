"""Errors of Redis, by its own texts: of its state, of the event, or unknown."""

import pytest
from redis import exceptions

from rtapp.realtime.refusal import is_state

IN_A_SCRIPT = "Error running script (call to f_0a1b): @user_script:24: @user_script: 24: "

PASSES = [
    exceptions.ConnectionError("Error 111 connecting to /r.sock. Connection refused."),
    exceptions.TimeoutError("Timeout reading from socket"),
    exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
    exceptions.ReadOnlyError("You can't write against a read only replica."),
    exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    exceptions.ClusterDownError("CLUSTERDOWN The cluster is down"),
    exceptions.MasterDownError("Link with MASTER is down"),
    exceptions.MovedError("3999 127.0.0.1:6381"),
    exceptions.AskError("3999 127.0.0.1:6381"),
    exceptions.ResponseError("CLUSTERDOWN Hash slot not served"),
    exceptions.ResponseError("MOVED 3999 127.0.0.1:6381"),
    exceptions.TryAgainError("TRYAGAIN Multiple keys request during rehashing of slot"),
    exceptions.NoPermissionError("this user has no permissions to run the 'evalsha' command"),
    exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots, but it can't"),
    exceptions.ResponseError("BUSY Redis is busy running a script."),
    exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
    exceptions.ResponseError(IN_A_SCRIPT + "-OOM command not allowed when used memory > 'max'."),
    exceptions.ResponseError(
        "Script attempted to access a non local key in a cluster node script: 3f1, on "
        "@user_script:24."
    ),
    exceptions.ResponseError(IN_A_SCRIPT + "-READONLY You can't write against a replica."),
    exceptions.MaxConnectionsError("Too many connections"),
    ConnectionResetError(104, "Connection reset by peer"),
    MemoryError(),
]
NEVER_PASSES = [
    exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    exceptions.ResponseError(IN_A_SCRIPT + "WRONGTYPE Operation against a key holding the wrong"),
    exceptions.DataError("Invalid input of type: 'NoneType'."),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    TypeError("Object of type set is not JSON serializable"),
    KeyError("topics"),
]
UNKNOWN = [
    exceptions.ResponseError(IN_A_SCRIPT + "user_script:24: no such key in a cluster node"),
    exceptions.ResponseError(IN_A_SCRIPT + "user_script:24: attempt to compare nil with number"),
    exceptions.ResponseError("NEWCODE Something that Redis 9 says"),
]


@pytest.mark.parametrize("error", PASSES, ids=str)
def test_an_error_of_the_state_of_redis_is_classified_as_temporary(error):
    assert is_state(error) is True


@pytest.mark.parametrize("error", NEVER_PASSES, ids=str)
def test_an_error_of_the_event_itself_is_classified_as_permanent(error):
    assert is_state(error) is False


@pytest.mark.parametrize("error", UNKNOWN, ids=str)
def test_an_unrecognised_error_of_redis_is_classified_as_unknown(error):
    assert is_state(error) is None
