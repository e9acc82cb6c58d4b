"""The server is one that hands streams over."""

from typing import Any

from .finding import Finding


def check(seen: dict[str, Any]) -> list[Finding]:
    if seen.get("hand_off"):
        return [Finding("worker class", "ok", "An open stream costs no greenlet.")]
    return [
        Finding(
            "worker class", "problem", "This server has another worker class than rtapp's: each "
            "open stream takes one of its threads or greenlets, and nothing restarts in order.",
            "Start gunicorn with gunicorn.conf.py: worker_class = \"rtapp.worker.Worker\".",
        )
    ]  # fmt: skip
