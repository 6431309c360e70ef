"""The compiled build of the data path: used when it is of these sources, else the plain modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from strangler_proxy.compiling import MODULES, CannotCompile, check_tools, source
from strangler_proxy.native import PACKAGE, SUFFIX, SWITCH, fingerprint, fresh_build
from tests import plain
from tests.proxy.front import front_door
from tests.proxy.origin import ok, origin

# Whether it compiles and is right, not how fast it runs: unoptimised it is made in half the time.
COMPILE_ALL = (
    "from strangler_proxy.compiling import *; print(compile_modules(MODULES, optimisation='0'))"
)
WHERE = "import strangler_proxy.wire.chunked as it; print(it.__file__)"
IN_PROCESS = (
    *("access_log", "balance", "decision", "heads", "limits", "metrics", "remembered", "tracing"),
)
TESTED = (
    "import sys, pytest, strangler_proxy.wire.http1 as it\n"
    f"assert it.__file__.endswith({SUFFIX!r}), it.__file__"
)
WORKS = (
    "from strangler_proxy.wire.chunked import BadChunk, Decoder\n"
    "assert Decoder().feed(b'2\\r\\nok\\r\\n') == b'ok'\n"
    "Decoder().feed(b'-1\\r\\n')\n"
)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with the package in it, to change."""
    return copy_package(tmp_path / "copied")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, all of its data path compiled."""
    root = copy_package(tmp_path_factory.mktemp("compiled"))
    assert origin_of_chunked(root) == "chunked.py"
    built = run(root, COMPILE_ALL)
    assert built.returncode == 0, built.stdout + built.stderr
    return root


def copy_package(folder: Path) -> Path:
    """A copy of the package in ``folder``, and a link to what it imports of ours."""
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "modules").symlink_to(PACKAGE.parent / "modules")
    return folder


def run(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in that folder."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def origin_of_chunked(folder: Path, **environment: str) -> str:
    """The file from which a module comes: compiled or plain."""
    ran = run(folder, WHERE, **environment)
    assert ran.returncode == 0, ran.stderr
    return Path(ran.stdout.strip()).name


@pytest.mark.timeout(600)  # the C compiler takes a minute or two
def test_a_build_is_used_as_long_as_no_source_changes(compiled: Path) -> None:
    """Compiled, the modules are taken from the build; one changed byte and the plain ones run."""
    assert origin_of_chunked(compiled) == f"chunked{SUFFIX}"
    assert origin_of_chunked(compiled, **{SWITCH: "off"}) == "chunked.py"
    error = run(compiled, WORKS).stderr
    assert 'strangler_proxy/wire/chunked.py", line' in error, "a traceback names source and line"
    assert error.splitlines()[-1].startswith("strangler_proxy.wire.chunked.BadChunk: ")
    source = compiled / "strangler_proxy" / "exchange" / "way.py"
    before = source.read_bytes()
    source.write_bytes(before + b"\n")
    assert origin_of_chunked(compiled) == "chunked.py"
    source.write_bytes(before)
    assert origin_of_chunked(compiled) == f"chunked{SUFFIX}"


@pytest.mark.timeout(600)
def test_the_whole_data_path_serves_and_ends_when_it_is_compiled(
    compiled: Path, tmp_path: Path
) -> None:
    """Code that is well typed may still not compile, or fail in the build alone."""
    with origin(ok(b"from upstream")) as upstream:
        document = {
            "upstreams": {"shop": {"instances": [{"address": upstream.address}]}},
            "routes": [
                {"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"}
            ],
        }
        with front_door(tmp_path / "door", document, compiled) as door:
            assert plain.get(f"{door.url}/x").text == "from upstream"
            assert plain.post(f"{door.url}/x", content=b"a" * 100_000).status_code == 200
            assert door.stop() == 0


@pytest.mark.timeout(600)
def test_compiled_it_passes_the_tests_of_what_was_compiled(compiled: Path) -> None:
    """Slices, numbers and errors are C's own then: those that look at the modules themselves."""
    for needed in ("pyproject.toml", "shop", "tests"):
        (compiled / needed).symlink_to(PACKAGE.parent / needed)
    chosen = [f"tests/proxy/test_{name}.py" for name in IN_PROCESS]
    ran = run(compiled, f"{TESTED}\nsys.exit(pytest.main({['-q', '-p', 'no:xdist', *chosen]!r}))")
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr
    assert " passed" in ran.stdout


def test_the_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    """Files that are renamed, changed, added or cut differently make another build."""
    seen = {fingerprint(tmp_path)}
    for name, content in (("a.py", "x"), ("a.py", "y"), ("b.py", ""), ("c/d.py", "z")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
        seen.add(fingerprint(tmp_path))
    (tmp_path / "b.py").rename(tmp_path / "e.py")
    seen.add(fingerprint(tmp_path))
    assert len(seen) == 6


def test_without_a_build_no_source_is_read(tmp_path: Path) -> None:
    """Where nothing was ever compiled, starting costs nothing more."""
    assert fresh_build(tmp_path / "no-such-package", tmp_path / "no-such-home") is None


@pytest.mark.parametrize(
    ("find", "which", "told"),
    [
        (lambda name: None if name == "mypyc" else name, lambda name: name, "mypyc is not inst"),
        (lambda name: None if name == "setuptools" else name, lambda name: name, "setuptools is"),
        (lambda name: name, lambda name: None, "there is no C compiler"),
    ],
    ids=["mypyc", "setuptools", "compiler"],
)
def test_what_is_missing_is_named(
    find: Callable[[str], object], which: Callable[[str], str | None], told: str
) -> None:
    """One sentence says what is not there and where it comes from."""
    with pytest.raises(CannotCompile, match=told):
        check_tools(find, which)


def test_the_command_refuses_in_one_line(copied: Path) -> None:
    """Without a C compiler it ends with 1 and a sentence, not with a traceback."""
    code = "import sys; from strangler_proxy.compiling import main; sys.exit(main([]))"
    ran = run(copied, code, PATH="")
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert "there is no C compiler" in ran.stderr


def test_what_the_c_compiler_refuses_is_told(copied: Path) -> None:
    """``__unix`` is a number to gcc: the class is good Python and no C. No traceback of ours."""
    module = copied / "strangler_proxy" / "wire" / "reads.py"
    with module.open("a") as changed:
        changed.write("\n\nclass C:\n    def __init__(self) -> None:\n        self._unix = 1\n")
    code = (
        "import sys, strangler_proxy.compiling as it; it.MODULES = ('wire.reads',);"
        "sys.exit(it.main([]))"
    )
    ran = run(copied, code)
    assert ran.returncode == 1
    assert "strangler_proxy.compiling: mypy or the C compiler failed" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_all_modules_named_are_there() -> None:
    """A module that was renamed is not forgotten in the list."""
    assert [name for name in MODULES if not source(name).is_file()] == []
