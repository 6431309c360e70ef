"""The ``.proto`` of contracts: drift is told with what to run, so is what proto3 cannot hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from modules.payment.contract import types
from modules.platform.boundaries import proto_files
from modules.platform.proto import files
from modules.platform.proto.errors import NoProto
from modules.platform.proto.shapes import File, path_of

ROOT = Path(settings.BASE_DIR)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of two contracts and of the platform, to be spoiled."""
    for module in ("platform", "payment", "catalog"):
        path = tmp_path / path_of(module)
        path.parent.mkdir(parents=True)
        shutil.copy(ROOT / path_of(module), path)
    return tmp_path


def test_what_is_as_the_code_says_is_no_violation(tree: Path) -> None:
    """Nothing to say."""
    assert list(proto_files.check_drift(tree, ("payment", "catalog"))) == []


@pytest.mark.parametrize("module", ["platform", "payment"])
def test_a_stale_file_is_told_and_written_away(tree: Path, module: str) -> None:
    """The platform's too, which every contract imports."""
    path = tree / path_of(module)
    path.write_text(
        path.read_text().replace("  optional string currency", "  optional int64 currency")
    )
    if module == "payment":
        path.write_text(path.read_text().replace("message Refund {", "message Refunt {"))
    (found,) = proto_files.check_drift(tree, ("payment", "catalog"))
    assert (found.rule, found.path) == ("proto-drift", path_of(module))
    assert "modules proto --write" in found.way_out
    assert proto_files.written(tree, ("payment", "catalog")) == (path_of(module),)
    assert list(proto_files.check_drift(tree, ("payment", "catalog"))) == []


def test_a_missing_file_is_told(tree: Path) -> None:
    """A new module's."""
    (tree / path_of("catalog")).unlink()
    (found,) = proto_files.check_drift(tree, ("payment", "catalog"))
    assert (found.rule, found.path) == ("proto-drift", path_of("catalog"))
    assert "has no .proto" in found.fact


def test_what_proto3_cannot_hold_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the place; nothing is written then."""
    real = files.file_of

    def spoiled(module: str) -> File:
        if module == "payment":
            raise NoProto(f"{types.Refund.__name__}.amount", "complex has no form in proto3")
        return real(module)

    monkeypatch.setattr(files, "file_of", spoiled)
    (found,) = proto_files.check_drift(tree, ("payment", "catalog"))
    assert (found.rule, found.path) == ("no-proto", path_of("payment"))
    assert found.fact == "Refund.amount: complex has no form in proto3"
    before = (tree / path_of("payment")).read_text()
    assert proto_files.written(tree, ("payment",)) == ()
    assert (tree / path_of("payment")).read_text() == before


def test_the_command_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Of this tree, and of one module."""
    call_command("modules", "proto")
    call_command("modules", "proto", "payment", "--check")
    said = capsys.readouterr().out.splitlines()
    assert said == ["The contracts are what their Protocol Buffers say."] * 2
