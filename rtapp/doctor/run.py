"""All checks, one after the other."""

import logging
from collections.abc import Callable

from . import clock
from . import database
from . import files
from . import mail
from . import public
from . import redis
from .finding import Finding

Check = Callable[[], list[Finding]]

# By the name for a check that fails itself. The public address comes last: it needs the others.
CHECKS: dict[str, Check] = {
    "database": database.check,
    "redis": redis.check,
    "clock": clock.check,
    "files": files.check,
    "mail": mail.check,
    "public address": public.check,
}

logger = logging.getLogger(__name__)


def run() -> list[Finding]:
    """What all checks found. Takes half a minute at most; raises nothing."""
    return [finding for name, check in CHECKS.items() for finding in guarded(name, check)]


def guarded(name: str, check: Check) -> list[Finding]:
    try:
        return check()
    except Exception:
        logger.exception("The doctor's check of %s failed", name)
        sentence = f"The check of the {name} failed itself."
        return [Finding(name, "problem", sentence, "The log has the reason.")]
