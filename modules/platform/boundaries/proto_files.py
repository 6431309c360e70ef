"""``<module>.proto`` of each contract: written, and held against the code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from modules.platform.boundaries.violations import Violation
from modules.platform.proto import files
from modules.platform.proto.errors import NoProto
from modules.platform.proto.shapes import path_of


def written(root: Path, modules: Iterable[str]) -> tuple[str, ...]:
    """Write those that differ from the code, the platform's too; their paths.

    One that cannot be written is left as it is: ``check_drift`` says why.
    """
    paths: list[str] = []
    for module in (files.PLATFORM, *modules):
        try:
            paths += files.write(root, (module,))
        except NoProto:
            continue
    return tuple(paths)


def check_drift(root: Path, modules: Iterable[str]) -> Iterator[Violation]:
    """Files that say something else than the code, and contracts that proto3 cannot hold."""
    for module in (files.PLATFORM, *modules):
        try:
            drift = files.check(root, (module,))
        except NoProto as error:
            yield Violation(
                path=path_of(module),
                line=0,
                rule="no-proto",
                fact=str(error),
                way_out="say it with types that both transports can hold",
            )
            continue
        for one in drift:
            fact = "is not what its Protocol Buffers say" if one.exists else "has no .proto"
            yield Violation(
                path=one.path,
                line=0,
                rule="proto-drift",
                fact=f"the contract of {module} {fact}",
                way_out="run manage.py modules proto --write and look at the difference",
            )
