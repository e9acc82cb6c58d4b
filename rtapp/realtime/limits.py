"""How many sockets this process may hold, how many of them may be streams; and its memory."""

import gc
import resource

# Of the descriptors, an eighth is kept for requests, Redis and the database: when streams are
# refused, everything else goes on.
SHARE_OF_STREAMS = 7 / 8


def raise_descriptor_limit() -> None:
    """Lets the process open as many descriptors as it may ask for (setrlimit(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def max_streams() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return int(soft * SHARE_OF_STREAMS)


def max_requests() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, (soft - max_streams()) // 2)


def freeze_garbage_collector() -> None:
    """What is there once everything has started stays for good, and need not be looked through.

    Otherwise each full collection takes 80 ms, for which nobody is served
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.collect()
    gc.freeze()
