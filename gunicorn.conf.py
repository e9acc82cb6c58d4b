"""Gunicorn's configuration: `gunicorn app:app`. The README lists the environment variables."""

from gevent import monkey

monkey.patch_all()  # before the worker class imports modules that would keep blocking sockets

import logging
import os
import shutil
import tempfile

host = os.environ.get("HOST") or "127.0.0.1"
bind = host if host.startswith("unix:") else f"{host}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "rtapp.worker.Worker"
worker_connections = 1000  # concurrent requests; streams do not count, the hub holds them
timeout = 60
graceful_timeout = 45  # s until a worker is killed: it ends by itself, within 30 s
# The worker leaves queries, headers and unknown paths out, whatever the format: they have secrets.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(D)s'
control_socket_disable = True  # all instances of one OS user would share it

# Our own lines go beside gunicorn's, with a time: it configures its own loggers only.
logging.basicConfig(
    level=logging.INFO,
    format="%(asctime)s %(levelname)s %(message)s",
    datefmt="%Y-%m-%dT%H:%M:%S%z",
)

# The workers' shared folder of metrics, from which any of them serves the sum. prometheus_client
# reads the variable once, at import.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="rtapp-metrics-"))


def on_starting(server):
    """End before any worker starts if a setting is wrong: workers would be started for ever."""
    from rtapp.config import Settings
    from rtapp.config import SettingsError

    try:
        Settings.from_environ()
    except SettingsError as error:
        raise SystemExit(f"rtapp: {error}") from None


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
