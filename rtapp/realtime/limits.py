"""Limits of the process: its descriptors, the share of streams in them, and its collector."""

import gc
import resource

# An eighth of the descriptors is reserved for requests, Redis and the database: they go on when
# streams are refused.
SHARE_OF_STREAMS = 7 / 8


def raise_descriptor_limit() -> None:
    """Raise the soft limit of descriptors to the hard limit (setrlimit(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def max_streams() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return int(soft * SHARE_OF_STREAMS)


def max_requests() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, (soft - max_streams()) // 2)


def freeze_garbage_collector() -> None:
    """Exclude all objects that exist after start-up from garbage collection.

    Otherwise each full collection takes 80 ms, in which nothing is served
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.collect()
    gc.freeze()
