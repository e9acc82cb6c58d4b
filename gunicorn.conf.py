"""Production: `gunicorn app:app`. Settings come from the environment, as in the README."""

from gevent import monkey

monkey.patch_all()  # before the worker class imports anything that would hold blocking sockets

import os
import shutil
import tempfile

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "rtapp.worker.Worker"
worker_connections = 1000  # requests at once; streams are not counted, the hub holds them
timeout = 60
graceful_timeout = 45  # s: longer than the hub's drain
# Without the query string: a visitor's stream has the token there.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(D)s'
control_socket_disable = True  # it would be one for all instances of this user

# Where the workers put what they count, so that any of them can tell it for all. prometheus_client
# looks for it once, as it is imported.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="rtapp-metrics-"))


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
