"""How the modules of the package hang together."""

from __future__ import annotations

import subprocess
import sys

import pytest

from strangler_proxy.native import PACKAGE

# One child for all: each module is imported in a fork of it that has only the libraries loaded.
EACH_ALONE = """
import os, sys
import httpx, jwt, msgspec, redis.asyncio, structlog, uvloop, yaml

for module in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            __import__(module)
        except BaseException as error:
            print(f"{module}: {error!r}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def modules() -> list[str]:
    """All of the package, but those that are run and not imported."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = [file.relative_to(PACKAGE.parent).with_suffix("").parts for file in files]
    dotted = [".".join(name).removesuffix(".__init__") for name in names]
    return [name for name in dotted if not name.endswith("__main__")]


def import_each(names: list[str]) -> str:
    """Import each of them first, in a process of its own; what went wrong, a line each."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", EACH_ALONE, *names],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.timeout(180)
def test_every_module_can_be_imported_first() -> None:
    """No module needs another to have been imported before it: there are no cycles of imports."""
    names = modules()
    assert len(names) > 100
    assert import_each(names) == ""


def test_a_module_that_cannot_be_imported_is_named() -> None:
    """The check above does see what fails."""
    assert "strangler_proxy.no_such_module: ModuleNotFoundError" in import_each(
        ["strangler_proxy.errors", "strangler_proxy.no_such_module"]
    )


def test_a_front_door_without_shared_limits_has_no_redis_in_memory() -> None:
    """6 MB and a sixth of its start."""
    shown = "import sys, strangler_proxy.app; print('redis' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["False"]
