"""Before xdist's workers start, a fresh clone is compiled once, for all of them."""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite

from tests.byte_code import PACKAGES, ROOT, byte_code_of, compile_all, compile_one, uncompiled

ONE_TEST = "def test_it():\n    first, second = 1, 2\n    assert first == second\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some sources: a module, a test with a fixture of its own, and one that is no Python."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text("NUMBER = 1\n")
    (package / "conftest.py").write_text("")
    (package / "test_it.py").write_text(ONE_TEST)
    (package / "test_torn.py").write_text("def\n")
    return tmp_path


def test_each_file_is_compiled_as_it_will_be_imported(
    folder: Path, pytestconfig: pytest.Config
) -> None:
    """Python and pytest find what they would have made themselves; torn files are left to them."""
    names = {path.name for path in uncompiled(folder, ("package",))}
    assert names == {"module.py", "conftest.py", "test_it.py", "test_torn.py"}
    compile_all(uncompiled(folder, ("package",)), pytestconfig)
    assert [path.name for path in uncompiled(folder, ("package",))] == ["test_torn.py"]
    module = folder / "package" / "module.py"
    made = byte_code_of(module).read_bytes()
    py_compile.compile(str(module))
    assert byte_code_of(module).read_bytes() == made


def test_a_test_that_was_compiled_beforehand_tells_both_sides(
    folder: Path, pytestconfig: pytest.Config
) -> None:
    """Pytest takes it for its own, which it would not if it were out of date, and it speaks."""
    test = folder / "package" / "test_it.py"
    compile_one(test, pytestconfig)
    code = rewrite._read_pyc(test, byte_code_of(test))
    assert code is not None
    names: dict[str, Any] = {"__name__": "test_it"}
    exec(code, names)  # noqa: S102 - the test above
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        names["test_it"]()


def test_what_this_process_has_imported_was_kept_where_it_is_looked_for() -> None:
    """The names of byte code that are looked for are those that pytest and Python give it."""
    ours = [Path(str(one.__file__)) for one in list(sys.modules.values()) if _is_ours(one)]
    assert len(ours) > 100
    kept = [path for path in ours if byte_code_of(path).exists()]
    assert len(kept) > len(ours) * 0.9, sorted(set(ours) - set(kept))


def _is_ours(module: object) -> bool:
    path = Path(str(getattr(module, "__file__", None)))
    return path.suffix == ".py" and any(path.is_relative_to(ROOT / one) for one in PACKAGES)
