"""Pytest plugin (``-p tests.byte_code``): a fresh clone is compiled once, before the workers start.

Otherwise each of xdist's workers does it: they collect the same files at the same moment, so none
finds what another has compiled. Tests are compiled as pytest imports them, with their assertions
rewritten. Only what was never compiled is: a file that has changed since is made anew by whoever
imports it, as ever.
"""

from __future__ import annotations

import compileall
import multiprocessing
import os
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

ROOT = Path(__file__).parent.parent
PACKAGES = ("extracted", "modules", "shop", "strangler_proxy", "tests")
BENCHMARKS = ROOT / "tests" / "benchmarks"
FEW = 100  # files; below it the workers are as quick


def uncompiled(root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    """Sources that have no byte code yet."""
    files = (path for package in packages for path in _sources(root / package))
    return [path for path in files if not byte_code_of(path).exists()]


def byte_code_of(source: Path) -> Path:
    """Where pytest, for a test, or Python, for all else, keeps what it has compiled."""
    if is_rewritten(source):
        return rewrite.get_cache_dir(source) / f"{source.stem}{rewrite.PYC_TAIL}"
    return Path(cache_from_source(str(source)))


def is_rewritten(source: Path) -> bool:
    """Whether pytest compiles the file, by its name."""
    return source.name == "conftest.py" or source.match("test_*.py")


def compile_one(source: Path, config: pytest.Config) -> None:
    """Keep a file's byte code; what cannot be compiled, or kept, is left to whoever imports it."""
    if not is_rewritten(source):
        compileall.compile_file(source, quiet=2)
        return
    target = byte_code_of(source)
    if not rewrite.try_makedirs(target.parent):
        return
    try:
        content, code = rewrite._rewrite_test(source, config)
    except SyntaxError:
        return
    rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, content, target)


def compile_all(sources: list[Path], config: pytest.Config) -> None:
    """The same for many files, on all cores."""
    cores = os.cpu_count() or 1
    # Forked, for nothing has to be imported again; this process has one thread at this time.
    fork = multiprocessing.get_context("fork").Process
    workers = [fork(target=_compile, args=(sources[n::cores], config)) for n in range(cores)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _compile(sources: list[Path], config: pytest.Config) -> None:
    for source in sources:
        compile_one(source, config)


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if not path.is_relative_to(BENCHMARKS):
            yield path


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Before xdist, in the process that will start workers."""
    config = session.config
    if config.getvalue("dist") == "no" or hasattr(config, "workerinput"):
        return
    missing = uncompiled()
    if len(missing) >= FEW:
        compile_all(missing, config)
