"""Opens the addresses of the document: host:port, [v6]:port, unix:/path."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

UNIX = "unix:"


def open_socket(address: str, *, shared: bool = False, mode: int = 0o666) -> socket.socket:
    """Bind ``address``; it does not listen yet. Raises OSError that names the address.

    ``shared``: others may bind it too, and the kernel deals connections out (SO_REUSEPORT).
    ``mode``: who may connect to a unix socket.
    """
    try:
        if address.startswith(UNIX):
            return _open_unix(Path(address.removeprefix(UNIX)), mode)
        return _open_tcp(address, shared)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), address) from error


def name_of(opened: socket.socket) -> str:
    """Its address as a document writes it, with the port that the kernel chose for 0."""
    if opened.family == socket.AF_UNIX:
        return f"{UNIX}{opened.getsockname()}"
    host, port = opened.getsockname()[:2]
    return f"[{host}]:{port}" if opened.family == socket.AF_INET6 else f"{host}:{port}"


def remove(address: str) -> None:
    """The file of a unix socket stays when it is closed."""
    if address.startswith(UNIX):
        Path(address.removeprefix(UNIX)).unlink(missing_ok=True)


def _open_tcp(address: str, shared: bool) -> socket.socket:
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, where = found[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(where)
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def _open_unix(path: Path, mode: int) -> socket.socket:
    """One that a dead process left behind is replaced."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode) and not _answers(path):
            path.unlink()
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)  # from its first moment: nobody gets in before a chmod
    try:
        opened.bind(os.fspath(path))
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(before)
    opened.setblocking(False)
    return opened


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
