"""What is checked before anything is started, so that a start either works or says one line."""

import errno
import fcntl
import ipaddress
import os
import shutil
import socket
from pathlib import Path

from tradewind.core.errors import StartupError

MIB = 1024 * 1024
_LEAST_FREE_BYTES = 512 * MIB
_BACKLOG = 4096


def make_data_folder(root: Path) -> None:
    """Create the data folder. Raises StartupError when it cannot be used or the disk is full."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it is not writable for this user")
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise StartupError(
            f"the data folder {root} cannot be used: {error.strerror}",
            hint="choose another with --data",
        ) from error
    if free < _LEAST_FREE_BYTES:
        raise StartupError(
            f"only {free // MIB} MiB are free where the data folder {root} lies, "
            f"{_LEAST_FREE_BYTES // MIB} are needed",
            hint="free some space or choose another with --data",
        )


def lock_data_folder(path: Path) -> int:
    """Take the folder for this process; return the descriptor that holds it until it is closed.

    Raises StartupError when another platform runs on it, or when it cannot be locked.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _cannot_be_locked(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StartupError(
            f"the data folder {path.parent} is in use by process {holder}",
            hint="stop that one or choose another with --data",
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise _cannot_be_locked(path, error) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor


def _cannot_be_locked(path: Path, error: OSError) -> StartupError:
    return StartupError(
        f"the data folder {path.parent} cannot be locked: {error.strerror}",
        hint="choose another with --data",
    )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen_on(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """Return listening sockets, one for each gateway that inherits one. Raises StartupError.

    They are ours for as long as the platform runs: the port is known before anything starts, and a
    gateway that is restarted loses no connection attempt. Several share the port by SO_REUSEPORT,
    so that the kernel spreads connections over them.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "it is no host name"
        raise StartupError(
            f"'{host}' is no address of this machine: {reason}", hint="see --host"
        ) from error
    # Without SO_REUSEPORT first, whatever the count: with it, a second platform of this user would
    # share the port in silence instead of being told that it is in use.
    first = _bound(family, host, port, is_shared=False)
    if count == 1:
        return [first]
    port = first.getsockname()[1]
    first.close()
    listeners: list[socket.socket] = []
    try:
        for _ in range(count):
            listeners.append(_bound(family, host, port, is_shared=True))  # noqa: PERF401  closed below
    except StartupError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bound(family: int, host: str, port: int, *, is_shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        # Bound alone, two could hold the port; listening tells who was first.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartupError(
                f"port {port} on {host} is in use",
                hint="choose another with --port, or --port 0 for a free one",
            ) from error
        raise StartupError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose others with --host and --port",
        ) from error
    listener.set_inheritable(True)
    return listener
