"""Measurements: CPU and memory of a process as the kernel counts them, and percentiles."""

import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

DESCRIPTORS = 65_536  # requested; the system's limit may be lower
CPUCLOCK_SCHED = 2  # of a process (clock_getcpuclockid(3)); in nanoseconds
MARGIN = 200  # descriptors that a server needs besides its streams
SOCKET_CACHES = {
    "TCP",
    "eventpoll_epi",
    "eventpoll_pwq",
    "filp",
    "skbuff_ext_cache",
    "skbuff_fclone_cache",
    "skbuff_head_cache",
    "skbuff_small_head",
    "sock_inode_cache",
}


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of `pid`, without its children, such as redis.

    It includes threads that have ended, which a sum over /proc/<pid>/task would miss.
    """
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def kernel_holds(port: int) -> int:
    """Bytes that a server on `port` has sent and its clients have not acknowledged, all sockets."""
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port:
            total += int(fields[4].partition(":")[0], 16)
    return total


def socket_memory() -> float | None:
    """Bytes of the kernel's objects for sockets: slabinfo(5). None if it may not be read."""
    try:
        lines = Path("/proc/slabinfo").read_text().splitlines()[2:]
    except OSError:
        return None
    caches = (line.split() for line in lines)
    return float(sum(int(c[1]) * int(c[3]) for c in caches if c[0] in SOCKET_CACHES))


def busy_cores(seconds: float) -> float:
    """The number of cores busy with any process during the next `seconds`."""
    before, start = busy_seconds(), time.monotonic()
    time.sleep(seconds)
    return (busy_seconds() - before) / (time.monotonic() - start)


def busy_seconds() -> float:
    """All processes' CPU time since the machine started (proc(5): user, nice, system; irqs)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(fields[i] for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")


def raise_descriptor_limit() -> int:
    """Raise the limit of descriptors to the system's, for child processes too. Returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(DESCRIPTORS, hard) if os.geteuid() == 0 else hard
    for wanted in (most, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that is no less than `share` of them (0 to 1); NaN without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
