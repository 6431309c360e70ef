"""The closure of a host, shown to see what is planted: what is needed, and what may not be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from modules.platform.boundaries.closure import NotStandalone, closure_of, find_closure
from modules.platform.boundaries.closure_files import Closure, check, write
from modules.platform.boundaries.closure_of_host import Named
from tests.architecture.house import House

ALONE = (
    "extracted/__init__.py",
    "extracted/payment/",
    "modules/__init__.py",
    "modules/orders/__init__.py",
    "modules/orders/contract/",
    "modules/payment/",
    "modules/platform/__init__.py",
    "modules/platform/contracts/",
    "modules/platform/messaging/",
)


def _closure(house: House, *named: Named) -> Closure:
    return find_closure("payment", house.root, ask_host=lambda module, root: named)


def test_closure_is_the_host_the_module_contracts_and_what_of_the_platform_is_reached(
    house: House,
) -> None:
    """No more: not the shop, nobody's interior, and no part of the platform that nobody needs."""
    found = _closure(house)

    assert found.parts == ALONE
    assert not found.violations


def test_module_without_a_host_is_followed_alone(house: House) -> None:
    """Orders calls payment: of that it needs the contract."""
    found = find_closure("orders", house.root)

    assert "modules/payment/contract/" in found.parts
    assert "modules/payment/" not in found.parts
    assert not any(part.startswith("extracted/") for part in found.parts)


@dataclass(frozen=True)
class Need:
    """What is planted where, and the parts that the closure grows by."""

    path: str
    text: str
    parts: tuple[str, ...]


NEEDS = {
    "a part of the platform": Need(
        "modules/payment/service.py",
        "import modules.platform.resilience",
        ("modules/platform/resilience/",),
    ),
    "inside a function": Need(
        "modules/payment/service.py",
        "def late():\n    from modules.platform import resilience",
        ("modules/platform/resilience/",),
    ),
    "a single file of the platform": Need(
        "modules/payment/service.py",
        "from modules.platform.lone import thing",
        ("modules/platform/lone.py",),
    ),
    "through another part": Need(
        "modules/platform/messaging/late.py",
        "from modules.platform.binding import use",
        ("modules/platform/binding/",),
    ),
    "of a migration": Need(
        "modules/payment/migrations/0001_initial.py",
        "import modules.platform.resilience",
        ("modules/platform/resilience/",),
    ),
    "of the host": Need(
        "extracted/payment/urls.py",
        "import modules.platform.resilience",
        ("modules/platform/resilience/",),
    ),
    "another contract": Need(
        "modules/payment/service.py",
        "from modules.catalog.contract import Catalog",
        ("modules/catalog/__init__.py", "modules/catalog/contract/"),
    ),
}


@pytest.mark.parametrize("case", NEEDS)
def test_what_is_needed_is_in_the_closure(house: House, case: str) -> None:
    """However it is reached; and with it the name of who needs it."""
    need = NEEDS[case]
    house.write("modules/platform/lone.py", "thing = 1")
    house.write("modules/catalog/__init__.py", "")
    house.write("modules/catalog/contract/__init__.py", "class Catalog: ...")
    house.write("modules/payment/migrations/__init__.py", "")
    house.append(need.path, need.text)

    found = _closure(house)

    assert set(found.parts) - set(ALONE) == set(need.parts)
    assert found.because[need.parts[-1]] == need.path.removesuffix(".py").replace("/", ".")


OUTSIDE = {
    "the monolith": ("extracted/payment/settings.py", "import shop.settings.base"),
    "another module's interior": ("modules/payment/service.py", "import modules.orders.sagas"),
    "the control plane": ("modules/payment/service.py", "import modules.extraction.plan"),
    "the front door": ("modules/platform/messaging/relay.py", "import strangler_proxy.routes"),
    "another host": ("extracted/payment/settings.py", "import extracted.other.settings"),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_what_may_not_be_needed_is_a_violation(house: House, case: str) -> None:
    """Fact, place and way out."""
    path, text = OUTSIDE[case]
    house.write("extracted/other/__init__.py", "")
    house.write("extracted/other/settings.py", "")
    line = house.append(path, text)

    (found,) = _closure(house).violations

    assert (found.rule, found.path, found.line) == ("host-closure", path, line)
    assert text.removeprefix("import ") in found.fact
    assert "modules/platform" in found.way_out


def test_no_closure_is_given_of_what_cannot_stand_alone(house: House) -> None:
    """Whoever copies it would find out later."""
    house.append("modules/orders/sagas.py", "import shop.wiring")

    with pytest.raises(NotStandalone, match=r"orders cannot stand alone: .* needs shop\.wiring"):
        closure_of("orders", house.root)


def test_chain_through_the_platform_is_followed_to_its_end(house: House) -> None:
    """The host itself imports nothing wrong; what it stands on does."""
    house.append("extracted/payment/settings.py", "import modules.platform.binding")
    house.append("modules/platform/binding/__init__.py", "import modules.platform.messaging.deep")
    house.append("modules/platform/messaging/deep.py", "import shop.wiring")

    (found,) = _closure(house).violations

    assert found.fact.startswith("modules.platform.messaging.deep needs shop.wiring")


def test_name_that_django_finds_counts_as_an_import_does(house: House) -> None:
    """An app or a middleware in settings, with everything that it imports."""
    house.append("modules/platform/binding/apps.py", "import modules.platform.resilience")
    app = Named(
        "modules.platform.binding.apps.Config", "INSTALLED_APPS", "extracted/payment/settings.py"
    )

    found = _closure(house, app)

    added = {"modules/platform/binding/", "modules/platform/resilience/"}
    assert set(found.parts) - set(ALONE) == added
    assert found.because["modules/platform/binding/"] == "extracted.payment (INSTALLED_APPS)"


def test_name_that_django_finds_outside_is_a_violation(house: House) -> None:
    """No import graph can see it."""
    found = _closure(house, Named("shop.urls", "ROOT_URLCONF", "extracted/payment/settings.py"))

    (violation,) = found.violations
    assert (violation.rule, violation.path) == ("host-closure", "extracted/payment/settings.py")
    assert violation.fact.startswith("extracted.payment (ROOT_URLCONF) needs shop.urls")


@pytest.mark.parametrize(
    ("change", "line", "fact"),
    [
        (("modules/platform/messaging/\n", ""), 0, "does not list modules/platform/messaging/"),
        (("modules/payment/\n", "modules/pay/\nmodules/payment/\n"), 9, "lists modules/pay/"),
        (("# All", "# Nearly all"), 0, "it is not as --write writes it"),
    ],
)
def test_written_closure_that_differs_is_a_violation(
    house: House, change: tuple[str, str], line: int, fact: str
) -> None:
    """Lines missing, lines too many, and what somebody changed by hand."""
    found = _closure(house)
    assert write(house.root, found) is True
    assert write(house.root, found) is False
    assert not list(check(house.root, found))

    house.replace("extracted/payment/closure.txt", *change)
    (drift,) = check(house.root, found)

    assert (drift.rule, drift.path, drift.line) == (
        "closure-drift",
        "extracted/payment/closure.txt",
        line,
    )
    assert fact in drift.fact
    assert "closure payment --write" in drift.way_out


def test_closure_that_was_never_written_lacks_every_line(house: House) -> None:
    """An absent file is no pass."""
    assert len(list(check(house.root, _closure(house)))) == len(ALONE)
