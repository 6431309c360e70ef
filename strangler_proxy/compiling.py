"""Compiles the data path with mypyc: ``python -m strangler_proxy.compiling``.

The modules stay plain typed Python, which is what runs without a build; ``native`` says when a
build is used. Needs what the tests need (mypy, setuptools) and a C compiler, all of it only here.

Exit codes: 0 there is a fresh build, 1 there is none and the reason is told.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from strangler_proxy.native import GROUP, HOME, LIBRARY, PACKAGE, SUFFIX, fingerprint, fresh_build

# What a request passes through, and what that refers to by type.
MODULES = (
    *("access_log.line", "access_log.log", "app", "attempt", "auth.authenticator"),
    *("auth.identity", "auth.remembered", "balance", "cohorts", "compiled", "connection"),
    *("decision", "entrance", "exchange.detours", "exchange.exchange", "exchange.outgoing"),
    *("exchange.own_answers", "exchange.replying", "exchange.request_body"),
    *("exchange.second_thoughts", "exchange.way", "hanging_up", "limits.local", "member"),
    *("metrics", "mirror.places", "paths", "pool", "server", "table", "upstream"),
    *("wire.answers", "wire.chunked", "wire.forwarding", "wire.framing", "wire.heads"),
    *("wire.http1", "wire.known_lines", "wire.reads", "wire.tracing"),
)
OPTIMISATION = "3"  # of the C compiler; mypyc's own default


class CannotCompile(Exception):
    """What is missing, and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(prog="strangler_proxy.compiling", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether there is a build")
    options = parser.parse_args(arguments)
    build = fresh_build()
    if build is None and not options.check:
        try:
            build = compile_modules(MODULES)
        except CannotCompile as error:
            print(f"strangler_proxy.compiling: {error}", file=sys.stderr)  # noqa: T201
            return 1
    print(build or "no build of these sources")  # noqa: T201 - the result of a command
    return 0 if build else 1


def compile_modules(
    modules: Sequence[str],
    *,
    package: Path = PACKAGE,
    home: Path = HOME,
    optimisation: str = OPTIMISATION,
) -> Path:
    """Make a build and return its folder; older ones are removed.

    ``optimisation`` is what the C compiler gets as ``-O``: "0" compiles fast and runs slowly.
    Raises CannotCompile.
    """
    check_tools()
    home.mkdir(parents=True, exist_ok=True)
    name = fingerprint(package)
    with TemporaryDirectory(dir=home) as scratch:
        sources = [source(module, package) for module in modules]
        made = _run_mypyc(sources, Path(scratch), optimisation)
        if not (made / f"{LIBRARY}{SUFFIX}").is_file():
            raise CannotCompile("the C compiler failed; what it said stands above.")
        if fingerprint(package) != name:
            raise CannotCompile("a source has changed meanwhile; run this again.")
        for old in home.iterdir():
            if old != Path(scratch):
                shutil.rmtree(old)  # processes that run by it have it open and go on
        return made.replace(home / name)


def source(module: str, package: Path = PACKAGE) -> Path:
    """The file of one of ``MODULES``."""
    return package / (module.replace(".", "/") + ".py")


def check_tools(
    find: Callable[[str], object] = find_spec, which: Callable[[str], str | None] = shutil.which
) -> None:
    """Raises CannotCompile if something is not installed."""
    for tool in ("mypyc", "setuptools"):
        if find(tool) is None:
            raise CannotCompile(f"{tool} is not installed; it comes with requirements-dev.txt.")
    compiler = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    if which(compiler) is None:
        raise CannotCompile(f"there is no C compiler ({compiler}); Debian: build-essential.")
    headers = Path(sysconfig.get_paths()["include"])
    if not (headers / "Python.h").is_file():
        raise CannotCompile(f"there is no Python.h in {headers}; Debian: python3-dev.")


def _run_mypyc(sources: Sequence[Path], scratch: Path, optimisation: str) -> Path:
    """Type-check, translate to C, compile; the folder of the result. Raises CannotCompile."""
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]
    from setuptools.errors import CompileError, LinkError  # type: ignore[import-untyped]

    options = ["--config-file=", "--strict", "--ignore-missing-imports", "--follow-imports=silent"]
    options.append(f"--cache-dir={scratch / 'types'}")
    result = scratch / "result"
    try:
        extensions = mypycify(
            [*options, *map(str, sources)],
            group_name=GROUP,
            target_dir=str(scratch / "c"),
            debug_level="0",
            opt_level=optimisation,
        )
        command = build_ext(Distribution({"name": GROUP, "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(result), str(scratch / "objects")
        command.finalize_options()
        command.run()
    except (SystemExit, CompileError, LinkError):
        raise CannotCompile("mypy or the C compiler failed; what they said stands above.") from None
    return result


if __name__ == "__main__":
    sys.exit(main())
