"""A host's pins: a part of the root's, all that its code imports, and nothing resolved anew."""

from __future__ import annotations

import pytest

from modules.platform.boundaries.closure_files import files_of, parts_in
from shop.env import ROOT
from shop.scaffolding.files import PORTS
from shop.scaffolding.requirements import (
    NotPinned,
    host_requirements,
    names_of,
    needed,
    parse,
)
from tests.imported import imported, not_in

# Read code while a project is developed; no host comes there.
DEVELOPMENT = {"grimp", "importlinter"}
SAMPLE = """\
alone==1.0 \\
    --hash=sha256:aa
    # via -r requirements.in
Outer.Thing==2.0 ; sys_platform == 'linux' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via
    #   -r requirements.in
    #   alone
inner==3.0 \\
    --hash=sha256:dd
    # via outer-thing
stranger==4.0 \\
    --hash=sha256:ee
    # via -r requirements.in
"""


def test_needs_of_needs_come_with() -> None:
    """Through any number of notes, under any spelling; what nobody named stays away."""
    pins = parse(SAMPLE)
    assert set(pins) == {"alone", "outer-thing", "inner", "stranger"}
    assert needed({"alone"}, pins) == {"alone", "outer-thing", "inner"}
    assert needed({"inner"}, pins) == {"inner"}
    assert pins["outer-thing"].lines == (
        "Outer.Thing==2.0 ; sys_platform == 'linux' \\",
        "    --hash=sha256:bb \\",
        "    --hash=sha256:cc",
    )


def test_what_is_not_pinned_is_named() -> None:
    """With the way to mend it."""
    with pytest.raises(NotPinned, match=r"does not pin missing: name it in requirements\.in"):
        needed({"alone", "missing"}, parse(SAMPLE))


@pytest.mark.parametrize("module", PORTS)
def test_pins_are_the_roots(module: str) -> None:
    """Same versions, same hashes, line by line; and fewer of them."""
    root = parse((ROOT / "requirements.txt").read_text())
    own = parse(host_requirements(ROOT, module))
    assert {name: pin.lines for name, pin in own.items()} == {
        name: root[name].lines for name in own
    }
    assert len(own) < len(root)
    assert not {"pandas", "django-axes", "uvicorn"} & set(own)


@pytest.mark.parametrize("module", PORTS)
def test_everything_imported_is_named(module: str) -> None:
    """Each package that the module's or its hosts' code imports is required by name."""
    assert not_in(names_of(ROOT, module), _imported(module)) == []


def test_each_name_says_where_it_is_needed() -> None:
    """No name is required twice: what the platform has, no module repeats."""
    platform = names_of(ROOT, "nosuch")
    for module in PORTS:
        file = ROOT / f"modules/{module}/requirements.in"
        own = file.read_text().splitlines() if file.exists() else []
        assert not platform & {name.lower() for name in own}


def _imported(module: str) -> dict[str, str]:
    """What is imported in the module, and in the parts of the platform that hosts have (other parts
    are for other users).
    """
    listed = parts_in((ROOT / "extracted/payment/closure.txt").read_text())
    platform = [part for part in listed if part.startswith("modules/platform/")]
    found = imported(files_of(ROOT, [f"modules/{module}/", *platform]))
    return {name: place for name, place in found.items() if name not in DEVELOPMENT}
