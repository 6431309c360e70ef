"""Starting a server in a session of its own, and ending it by signals, always bounded in time."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.platform.databases.embedded import locks, logs
from modules.platform.databases.embedded.accounts import Account
from modules.platform.databases.embedded.errors import ServerDidNotStop

# Nothing of the caller's environment: PGDATA, LD_PRELOAD or a locale must not reach the server.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
# Popen changes the user by a fork, whose child first runs the fork hooks of whatever libraries the
# caller has loaded; those of gRPC can kill it. Without it Popen does not fork in that sense.
_BECOME = f"""
import os, sys
gid, uid, *program = sys.argv[1:]
try:
    os.setgroups([]), os.setgid(int(gid)), os.setuid(int(uid))
except OSError as error:
    sys.stderr.write(error.strerror)
    sys.exit({os.EX_NOPERM})
os.execv(program[0], program)
"""
LAST_RESORT = 5.0  # seconds for the kernel to take down what SIGKILL hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One attempt to end a server: a signal, and the seconds it is given to work."""

    signal: signal.Signals
    patience: float


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    account: Account | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process that a terminal's Ctrl-C does not reach, writing to `log`.

    `keep` are descriptors it inherits. Raises OSError when it cannot be executed.
    """
    output = logs.open_append(log)
    try:
        return subprocess.Popen(  # noqa: S603 - programs of our wheels, no shell
            as_account(argv, account),
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=keep,
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(output)


def as_account(argv: Sequence[str], account: Account | None) -> list[str]:
    """The command line that runs `argv` as this account. Where that is not allowed it ends with
    EX_NOPERM, and the reason on standard error.
    """
    if account is None or not account.switch:
        return list(argv)
    user = str(account.gid), str(account.uid)
    return [sys.executable, "-I", "-S", "-c", _BECOME, *user, *argv]


def let_go(process: subprocess.Popen[bytes]) -> int:
    """Hand the process over to the system and return its pid: it outlives us by design."""
    process.returncode = 0  # else Popen warns that it is still running when collected
    return process.pid


@contextlib.contextmanager
def ended_on_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever interrupts the wait for a process, Ctrl-C included, ends the process too."""
    try:
        yield
    except BaseException:
        kill(process)
        raise


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started and that did not become a server, with what it started.

    It leads a process group of its own (`spawn`); initdb runs its steps as children.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait(timeout=LAST_RESORT)
    _await_group(process.pid)


def _await_group(group: int, *, timeout: float = 1.0) -> None:
    """Wait until no process of the group is left; where nobody reaps orphans, zombies remain."""
    deadline = time.monotonic() + timeout
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(locks.PAUSE)


def end(
    *,
    what: str,
    lock: Path,
    log: Path,
    tag: str,
    pid: Callable[[], int | None],
    stages: Sequence[Stage],
) -> None:
    """Signal the server until its lock is free, then SIGKILL whatever bears its tag.

    `tag` is a word in the command line of the server's processes. Raises ServerDidNotStop.
    """
    for stage in stages:
        target = pid()
        if target is not None and is_tagged(target, tag):
            _signal(target, stage.signal)
        if _ended(lock, target, stage.patience):
            return
    for target in tagged(tag):
        _signal(target, signal.SIGKILL)
    if not _ended(lock, pid(), LAST_RESORT):
        reason = f"its lock {lock} is held by a process out of reach, maybe in another container"
        raise ServerDidNotStop(what=what, reason=reason, log=log)


def is_tagged(pid: int, tag: str) -> bool:
    """Whether the command line of a live process has the tag; where unknowable, assume so.

    A pid from a file may by now be a stranger's. The command line is the one fact about another
    user's process that root may read in a container without CAP_SYS_PTRACE.
    """
    if not Path("/proc/self/cmdline").exists():
        return True
    try:
        return tag.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def tagged(tag: str) -> list[int]:
    """The pids of all processes whose command line has the tag; empty where there is no /proc."""
    if not Path("/proc/self/cmdline").exists():
        return []
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and is_tagged(pid, tag)]


def reap(pid: int, *, timeout: float = 1.0) -> None:
    """Collect the exit status of a child that has ended, so that no zombie stays.

    The kernel frees a lock just before the process is gone, hence the (tiny) wait. A process that
    is not our child belongs to another parent, or to init, which does this.
    """
    deadline = time.monotonic() + timeout
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(locks.PAUSE)


def _ended(lock: Path, pid: int | None, patience: float) -> bool:
    ended = locks.wait_until_free(lock, timeout=patience)
    if ended and pid is not None:
        reap(pid)
    return ended


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
