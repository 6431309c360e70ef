"""The ``.proto`` files: what protoc reads in them is what calls are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from modules.platform.boundaries.source import SourceTree
from modules.platform.grpc_calls.messages.library import Library
from modules.platform.proto import NoProto, ProtoMissing, ProtoStale, files
from modules.platform.proto.shapes import path_of
from tests.platform.grpc_calls.shelf import Shelf, shelf_file, shelf_library

ROOT = Path(settings.BASE_DIR)
MODULES = ("platform", *SourceTree(ROOT).modules)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    """What protoc makes of all of them, by path."""
    home = tmp_path_factory.mktemp("protoc")
    shelf = home / path_of("shelf")
    shelf.parent.mkdir(parents=True)
    shelf.write_text(files.text_of(shelf_file()))
    out = home / "all.pb"
    paths = [str(ROOT / path_of(module)) for module in MODULES]
    well_known = Path(protoc.__file__).parent / "_proto"
    done = protoc.main(
        [
            "protoc",
            *(f"-I{one}" for one in (ROOT, home, well_known)),
            f"--descriptor_set_out={out}",
            *paths,
            str(shelf),
        ]
    )
    assert done == 0
    found = FileDescriptorSet.FromString(out.read_bytes())
    return {one.name: one for one in found.file}


@pytest.mark.parametrize("module", [*MODULES, "shelf"])
def test_protoc_reads_what_calls_are_made_of(
    module: str, compiled: dict[str, FileDescriptorProto]
) -> None:
    """The descriptors made at run time are those of the text, number by number."""
    library = shelf_library()
    theirs, ours = compiled[path_of(module)], library.descriptor(module)
    assert shape(ours) == shape(theirs)
    rpcs = [(one.name, one.input_type, one.output_type) for s in theirs.service for one in s.method]
    file = library.file(module)
    package = f".{file.package}."
    assert rpcs == [
        (one.name, package + one.request.name, package + one.response.name) for one in file.rpcs
    ]


def shape(file: FileDescriptorProto) -> Any:
    """All that is on the wire; what is reserved is not, and the names of JSON are nobody's."""
    messages = {}
    for message in file.message_type:
        groups = [one.name for one in message.oneof_decl]
        messages[message.name] = [
            (
                *(one.name, one.number, one.label, one.type, one.type_name, one.proto3_optional),
                groups[one.oneof_index] if one.HasField("oneof_index") else None,
            )
            for one in message.field
        ]
    enums = {
        one.name: [(value.name, value.number) for value in one.value] for one in file.enum_type
    }
    return file.name, file.package, file.syntax, sorted(file.dependency), messages, enums


def test_every_contract_has_its_file() -> None:
    """``manage.py modules proto --write`` was not forgotten."""
    assert files.check(ROOT, MODULES) == ()


def test_drift_is_found_and_written_away(tmp_path: Path) -> None:
    """A file that lacks a field, and one that is not there; numbers are kept."""
    path = tmp_path / path_of("payment")
    path.parent.mkdir(parents=True)
    text = (ROOT / path_of("payment")).read_text()
    path.write_text(text.replace("  optional string email = 6;\n", "").replace("= 7;", "= 6;"))
    (drift,) = files.check(tmp_path, ("payment",))
    assert (drift.module, drift.exists) == ("payment", True)
    assert files.write(tmp_path, ("payment",)) == (path_of("payment"),)
    assert files.check(tmp_path, ("payment",)) == ()
    assert "optional string provider = 6;" in path.read_text()
    assert "optional string email = 7;" in path.read_text()
    path.unlink()
    assert not files.check(tmp_path, ("payment",))[0].exists


def test_a_contract_without_or_behind_its_file_is_not_called() -> None:
    """What to run stands in the message."""

    def missing(module: str) -> str:
        raise ProtoMissing(module)

    with pytest.raises(ProtoMissing, match=r"manage\.py modules proto --write"):
        Library(texts=missing).file("payment")
    old = Library(
        texts=lambda m: (ROOT / path_of(m)).read_text().replace("  optional string email", "//")
    )
    with pytest.raises(ProtoStale, match=r"AuthorizePayment\.email.*proto --write"):
        old.file("payment")


def test_a_contract_has_one_port() -> None:
    """Two services would share the names of their requests."""
    with pytest.raises(NoProto, match="one port"):
        files.file_from("shelf", (Shelf, Shelf))
