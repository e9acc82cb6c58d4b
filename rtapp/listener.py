"""Where the embedded server accepts connections: an address, or a unix socket."""

import errno
import os
import stat
import sys

from gevent import socket

from rtapp.config import SOCKET
from rtapp.config import Settings
from rtapp.config import is_socket

BACKLOG = 1024  # connections that the kernel keeps until they are accepted


def listener(settings: Settings) -> socket.socket | tuple[str, int]:
    """What to accept connections from. Exits with a message if there can't be a unix socket."""
    if not is_socket(settings.host):
        return settings.host, settings.port
    path = settings.host.removeprefix(SOCKET)
    listening = socket.socket(socket.AF_UNIX)
    try:
        remove_abandoned(path)
        listening.bind(path)
        # A proxy is another user. Access is limited by the folder.
        os.chmod(path, 0o666)  # noqa: S103
        listening.listen(BACKLOG)
    except OSError as error:
        sys.exit(cannot_listen(settings, error))
    return listening


def remove_abandoned(path: str) -> None:
    """Remove the socket of a server that was killed. Raises OSError if one accepts connections."""
    if not (os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def cannot_listen(settings: Settings, error: OSError) -> str:
    if is_socket(settings.host):
        return (
            f"rtapp: can't listen on {settings.host} ({error.strerror}). Set HOST to a free path."
        )
    return (
        f"rtapp: can't listen on {settings.host}:{settings.port} ({error.strerror}). "
        "Set HOST and PORT to a free address."
    )
