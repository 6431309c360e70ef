"""Two locks per server: one held while starting or stopping, one held by the server itself.

The server inherits the descriptor of its lock, so the kernel frees it when the last of its
processes is gone, however it ended. That makes "is it running" exact where a pid file lies: after
SIGKILL, after a reboot, in a copied directory, and in another container with other pids.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modules.platform.databases.embedded.errors import ServerBusy

PAUSE = 0.01  # seconds between two looks: a start takes about a second


def take(lock: Path, *, timeout: float) -> int | None:
    """An inheritable exclusive hold of the lock as a descriptor, or None after `timeout` s."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout
    while not _flock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(PAUSE)
    return descriptor


def is_held(lock: Path) -> bool:
    """Whether a live process holds the lock. Shared, so that two askers do not see each other."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def wait_until_free(lock: Path, *, timeout: float) -> bool:
    """Whether the lock's holders ended within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while is_held(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


@contextmanager
def handed_over(descriptor: int) -> Iterator[None]:
    """Give up our hold at the end; the server that inherited it keeps the lock."""
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def one_at_a_time(lock: Path, *, what: str, timeout: float) -> Iterator[None]:
    """Only one process at a time gets in. Raises ServerBusy after `timeout` seconds."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = take(lock, timeout=timeout)
    if descriptor is None:
        raise ServerBusy(what=what, lock=lock, seconds=timeout)
    with handed_over(descriptor):
        yield


def _flock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
