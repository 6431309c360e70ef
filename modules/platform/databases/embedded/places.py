"""Where a server's files are: under the home, or elsewhere with a link that leads there.

As root, PostgreSQL runs under another user, who cannot pass a 0700 directory such as /root. Then
the files go to a directory it can reach and `home/<name>` becomes a symbolic link to it. The same
happens on a file system that keeps neither owners nor modes (a shared folder of a virtual machine).
"""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from modules.platform.databases.embedded.accounts import Account
from modules.platform.databases.embedded.errors import NoPlace

PASSABLE = 0o711
PRIVATE = 0o700
GROUP_PASSES = 0o710  # root owns it, the server's group may pass and no more
SOCKET_PATH_LIMIT = 103  # bytes without the final NUL: 107 on Linux, 103 on macOS
PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+-]+")  # libpq splits hosts at commas; quotes need care


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The directory of one server: its data, its log and its lock."""

    directory: Path

    @property
    def data(self) -> Path:
        """The database files."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What the server wrote to its standard output and error."""
        return self.directory / "server.log"

    @property
    def lock(self) -> Path:
        """Held by the server's processes as long as one of them lives."""
        return self.directory / "server.lock"

    @property
    def tag_file(self) -> Path:
        """Holds a word that marks the command lines of the processes last started."""
        return self.directory / "server.tag"

    @property
    def tag(self) -> str:
        """That word; one that marks nothing when no server was ever started."""
        with contextlib.suppress(FileNotFoundError):
            return self.tag_file.read_text().strip()
        return "ficus-none"


def find_place(home: Path, name: str) -> Place | None:
    """The place of a server that was started before, or None if there is none for this home."""
    link = home / name
    if not link.is_symlink():
        return Place(directory=link.resolve()) if link.is_dir() else None
    directory = link.resolve()
    return Place(directory=directory) if _belongs(directory, link) else None


def make_place(home: Path, name: str, account: Account) -> Place:
    """The place for a server that is about to start, reachable by its account.

    Raises NoPlace when no directory can serve.
    """
    home.mkdir(parents=True, exist_ok=True)
    link = home / name
    place = find_place(home, name)
    if place is None and link.is_symlink():
        link.unlink()  # it leads nowhere, or to the data of the directory we were copied from
    try:
        if place is None and suits(home, account):
            link.mkdir()
            place = Place(directory=link.resolve())
        if place is None or not account.can_traverse(place.directory.parent):
            place = _make_elsewhere(link, account)
        if link.is_symlink():
            (place.directory / "home").write_bytes(os.fsencode(link))  # we may have been moved
        _open_to(place.directory, account)
        _repossess(place, account)
    except OSError as error:
        raise NoPlace(what=name, tried=[home], reason=str(error)) from error
    return place


def suits(directory: Path, account: Account) -> bool:
    """Whether the account can reach the directory and own private files in it: tried out."""
    if not account.can_traverse(directory.resolve()):
        return False
    probe = Path(tempfile.mkdtemp(prefix=".probe-", dir=directory))
    try:
        account.own(probe)
        entry = probe.stat()
    except OSError:
        return False
    finally:
        probe.rmdir()
    return entry.st_uid == account.uid and stat.S_IMODE(entry.st_mode) == PRIVATE


def shared_directory(account: Account, *, what: str) -> Path:
    """A directory of ours outside the home that the account can reach. Raises NoPlace."""
    root = account.switch
    state = Path("/var/lib/ficus") if root else Path(os.path.expanduser("~/.local/state/ficus"))
    spare = Path(f"/var/tmp/ficus-{os.geteuid()}")  # noqa: S108 - _make_private checks it
    candidates = [candidate for candidate in (state, spare) if candidate.is_absolute()]
    reasons: list[str] = []
    for candidate in candidates:
        try:
            _make_private(candidate, mode=PASSABLE if root else PRIVATE)
        except OSError as error:
            reasons.append(str(error))
            continue
        if suits(candidate, account):
            return candidate
        reasons.append(f"{candidate} is out of reach of uid {account.uid}")
    raise NoPlace(what=what, tried=candidates, reason="; ".join(reasons))


def socket_directory(place: Place, account: Account, *, socket_name: str) -> Path:
    """A private directory whose path is short and plain enough for a socket. Raises NoPlace."""
    directory = place.directory / "run"
    path = str(directory / socket_name)
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT or not PLAIN_PATH.fullmatch(path):
        digest = hashlib.sha256(os.fsencode(place.directory)).hexdigest()[:16]
        directory = Path(f"/tmp/ficus-{account.uid}-{digest}")  # noqa: S108 - likewise
    try:
        _make_private(directory, mode=PRIVATE, account=account)
    except OSError as error:
        raise NoPlace(what="the socket", tried=[directory], reason=str(error)) from error
    return directory


def _belongs(directory: Path, link: Path) -> bool:
    """Whether files elsewhere are this home's: not when they serve the home it was copied from."""
    note = directory / "home"
    if not note.exists():
        return False
    noted = Path(os.fsdecode(note.read_bytes()))
    copied = noted != link and noted.is_symlink() and noted.resolve() == directory
    return not copied


def _make_elsewhere(link: Path, account: Account) -> Place:
    """Make a directory outside the home, take along files already here, leave the link."""
    parent = shared_directory(account, what=str(link))
    holder = Path(tempfile.mkdtemp(prefix=f"{link.name}-", dir=parent))
    holder.chmod(PASSABLE if account.switch else PRIVATE)
    directory = holder / link.name
    if link.is_dir() and not link.is_symlink():
        shutil.move(link, directory)
        if (directory / "data").exists():
            account.own_tree(directory / "data")  # a move across file systems is a copy by root
    elif link.is_symlink():
        shutil.move(link.resolve(), directory)
        link.unlink()
    else:
        directory.mkdir()
    link.symlink_to(directory)
    return Place(directory=directory)


def _open_to(directory: Path, account: Account) -> None:
    """Root keeps the outer directory, so that the server's user cannot plant links in it."""
    if account.switch and directory.stat().st_uid == 0:
        os.chown(directory, 0, account.gid)
        directory.chmod(GROUP_PASSES)
    elif directory.stat().st_uid == os.geteuid():
        directory.chmod(PRIVATE)


def _repossess(place: Place, account: Account) -> None:
    """Take back what a plain copy by root (cp -r, tar) left in root's name."""
    for directory in (place.data, place.directory / "run"):
        if account.switch and directory.exists() and directory.stat().st_uid == 0:
            account.own_tree(directory)


def _make_private(directory: Path, *, mode: int, account: Account | None = None) -> None:
    """Make the directory or check that it is a real one of ours. Raises OSError.

    In /tmp anyone may have been there first, with a link or with a directory of their own.
    """
    owner = account.uid if account else os.geteuid()
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=mode, parents=True)
        directory.chmod(mode)
        if account:
            account.own(directory)
    entry = directory.lstat()
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != owner or entry.st_mode & 0o022:
        raise PermissionError(f"{directory} exists and is not a private directory of uid {owner}")
