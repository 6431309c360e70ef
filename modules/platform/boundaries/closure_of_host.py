"""What Django finds by name in a standalone host: asked of the host itself, in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SECONDS = 120  # to load a host's settings and apps: two or three, on a machine at rest

PROBE = Path(__file__).with_name("closure_probe.py")


class Named(NamedTuple):
    """A dotted name or folder that Django finds, where it is named, and the settings' file."""

    name: str
    where: str
    path: str


class HostUnreadable(Exception):
    """A host's settings cannot be loaded; the message has its last words."""


def named_by(module: str, root: Path) -> Iterable[Named]:
    """Everything of this project that the host of ``module`` names or loads, for each of its
    settings. Starts no server and connects to none. Raises HostUnreadable.
    """
    for path in settings_of(module, root):
        name = path.removesuffix(".py").replace("/", ".")
        for dotted, where in _ask(name, root):
            yield Named(dotted, where, path)


def settings_of(module: str, root: Path) -> tuple[str, ...]:
    """The host's settings files: ``settings.py``, or those in ``settings/``."""
    home = root / "extracted" / module
    found = [home / "settings.py", *sorted((home / "settings").glob("[!_]*.py"))]
    return tuple(path.relative_to(root).as_posix() for path in found if path.is_file())


def _ask(settings: str, root: Path) -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="ficus-closure-") as home:
        done = _run(settings, root, Path(home))
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise HostUnreadable(f"{settings} cannot be loaded: {said[-1]}")
    return [(name, where) for name, where in json.loads(done.stdout.splitlines()[-1])]


def _run(settings: str, root: Path, home: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - this very Python, with a program of our own
            [sys.executable, str(PROBE)],
            cwd=root,
            env=_environment(settings, home),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HostUnreadable(f"{settings} is not loaded after {SECONDS} s") from error


def _environment(settings: str, home: Path) -> dict[str, str]:
    """Nothing of this process's own host; servers that nobody will ask."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return kept | {
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "FICUS_HOME": str(home),
        "SECRET_KEY": "closure",
        "DATABASE_URL": "postgresql:///unused",
        "REDIS_URL": "redis://unused",
    }
