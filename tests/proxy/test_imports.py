"""How the modules of the package hang together."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from strangler_proxy.native import PACKAGE

# One child for all: each module is imported in a fork of it that has only the libraries loaded.
EACH_ALONE = """
import gc, os, sys
import argparse, asyncio, difflib, email.utils, ipaddress, logging, ssl, subprocess, tempfile
import httptools, httpx, jsonschema, jwt, msgspec, redis.asyncio, uvicorn, uvloop, xxhash, yaml
import starlette.applications

gc.disable()
gc.freeze()

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

ON_DEMAND = {"redis", "cryptography", "jwt", "httpx", "jsonschema", "starlette", "uvicorn"}


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


def test_a_front_door_has_nothing_in_memory_that_its_document_does_not_ask_for() -> None:
    """Shared limits, credentials, health checks, faults to explain, an admin listener: with what
    they need it starts in twice the time and takes 20 MB more."""
    shown = (
        "import sys, strangler_proxy.serving, strangler_proxy.workers.alone\n"
        f"print(*{ON_DEMAND} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == []


def test_httpx_comes_without_its_command_line() -> None:
    """Which has most of its modules; what that needs can be imported all the same."""
    shown = (
        "import sys, strangler_proxy.health, strangler_proxy.auth.keys\n"
        "print(*{'rich', 'pygments', 'httpx._main'} & set(sys.modules))\n"
        "import httpx, pygments\n"
        "print(httpx.main.__module__, pygments.__name__)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["httpx", "pygments"]


def test_what_is_loaded_on_demand_is_known_by_its_name() -> None:
    """Else the check above would find nothing."""
    assert {name for name in ON_DEMAND if find_spec(name) is None} == set()
