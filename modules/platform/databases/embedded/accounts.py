"""Which OS user runs PostgreSQL: ourselves, or, as root, a user of its own.

PostgreSQL refuses root. A bare number does as a user: nothing has to be created, and no other
program runs under it. Only initdb insists on a name, which it takes from `nobody` for a moment.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from modules.platform.databases.embedded.errors import NoAccount

OWN_ID = 60_754  # no distribution assigns 60578-61183; below 65536, so user namespaces map it


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user and group id; `switch` says that we are root and must change to it."""

    uid: int
    gid: int
    switch: bool

    def can_traverse(self, directory: Path) -> bool:
        """Whether every directory from the root down to `directory` lets this user pass."""
        if self.uid == 0:
            return True
        chain = [directory, *directory.parents]
        return all(self._may_enter(step.stat()) for step in chain)

    def own(self, path: Path) -> None:
        """Give a file or directory to this user; a no-op for ourselves. Raises OSError."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, directory: Path) -> None:
        """Give a directory and all below it to this user."""
        for parent, directories, files in os.walk(directory):
            for name in ("", *directories, *files):
                self.own(Path(parent, name))

    def _may_enter(self, entry: os.stat_result) -> bool:
        if entry.st_uid == self.uid:
            return bool(entry.st_mode & stat.S_IXUSR)
        if entry.st_gid == self.gid:
            return bool(entry.st_mode & stat.S_IXGRP)
        return bool(entry.st_mode & stat.S_IXOTH)


def ourselves() -> Account:
    """The user we run as, root included."""
    return Account(uid=os.geteuid(), gid=os.getegid(), switch=False)


def server_account(data: Path) -> Account:
    """Who is to run PostgreSQL on this data directory: its owner, if it exists."""
    if os.geteuid() != 0:
        return ourselves()
    owner = data.stat() if data.exists() else None
    if owner is not None and owner.st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid, switch=True)
    return Account(uid=OWN_ID, gid=OWN_ID, switch=True)


def named_account(account: Account) -> Account:
    """The account if it has a name, else one that lends its name to initdb. Raises NoAccount."""
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        return _lender(account)
    return account


def _lender(account: Account) -> Account:
    if not account.switch:
        raise NoAccount(reason=f"uid {account.uid} has no entry in /etc/passwd")
    named = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0}
    if not named:
        raise NoAccount(reason="/etc/passwd lists root only")
    uid = named.get("nobody", next(iter(named.values())))
    # The group stays ours: it is what opens the directory above the data.
    return Account(uid=uid, gid=account.gid, switch=True)
