"""A process that has loaded the application, and forks a server for each request on a socket.

Run by preloaded.py, with the socket's descriptor. gunicorn's `preload_app` does the same.
"""

import os
import select
import socket
import sys

# Before the patch: this process waits without a hub, so no greenlet of it runs in a server.
requests = socket.socket(fileno=int(sys.argv[1]))
waiting, wait = select.select, os.waitpid

from gevent import monkey

monkey.patch_all()

import contextlib
import gc
import json
import runpy

import pywebpush  # noqa: F401 (imported as a server starts)
from gevent.os import fork

import rtapp.server  # noqa: F401

REQUEST_LIMIT = 1024 * 1024  # bytes


def serve() -> dict[str, str]:
    """Answer each request, an environment and two descriptors, with the server's pid. Its standard
    output goes to the first one, its exit code to the second one.

    Returns in a server's process, with its environment. Ends when the tests have ended.
    """
    servers: dict[int, tuple[int, int]] = {}  # descriptor that is ready at the end → pid, report
    while True:
        ready, _, _ = waiting([requests.fileno(), *servers], [], [])
        for ended in servers.keys() & set(ready):
            pid, report = servers.pop(ended)
            code = os.waitstatus_to_exitcode(wait(pid, 0)[1])
            with contextlib.suppress(BrokenPipeError):  # the tests have ended
                os.write(report, str(code).encode())
            os.close(report)
            os.close(ended)
        if requests.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_LIMIT, 2)
        if not message:
            sys.exit()
        output, report = descriptors
        pid = fork()
        if pid == 0:
            os.dup2(output, 1)
            os.dup2(output, 2)
            reports = (report for _, report in servers.values())
            for descriptor in (*descriptors, *servers, *reports, requests.detach()):
                os.close(descriptor)
            environment: dict[str, str] = json.loads(message)
            return environment
        os.close(output)
        servers[os.pidfd_open(pid)] = pid, report
        requests.send(str(pid).encode())


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    environment = serve()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["app.py"]
    runpy.run_path("app.py", run_name="__main__")
