"""What a user's environment has: all that the shop imports, or a command ends in a traceback."""

from __future__ import annotations

from modules.platform.boundaries.closure_files import files_of
from shop.env import ROOT
from shop.scaffolding.requirements import parse
from tests.imported import imported, not_in

SOURCES = ("manage.py", "modules/", "shop/", "strangler_proxy/", "extracted/")
# Compiles the front door where a developer asks for it (`make compiled`).
COMPILER = {"mypyc", "setuptools"}


def test_everything_the_shop_imports_is_installed_with_it() -> None:
    """`make up` installs requirements.txt and nothing of requirements-dev.txt."""
    found = imported(files_of(ROOT, SOURCES))
    assert {"django", "grimp", "uvloop"} <= set(found)
    pinned = set(parse((ROOT / "requirements.txt").read_text()))
    assert not_in(pinned, {n: place for n, place in found.items() if n not in COMPILER}) == []


def test_a_package_of_the_tests_alone_would_be_named() -> None:
    """With the file that imports it."""
    pinned = set(parse((ROOT / "requirements.txt").read_text()))
    assert not_in(pinned, {"pytest": "shop/planted.py", "django": "shop/urls.py"}) == [
        "pytest, imported by shop/planted.py, is in no requirements.in"
    ]
