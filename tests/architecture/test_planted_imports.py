"""Every rule about imports and names, shown to fail on a planted violation."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.architecture.house import House


@dataclass(frozen=True)
class Plant:
    """One line planted in one file, and what the check must say of it."""

    path: str
    text: str
    rule: str
    fact: str
    way_out: str


PLANTS = {
    "platform imports a module": Plant(
        "modules/platform/messaging/relay.py",
        "from modules.payment.contract import Payment",
        "layers",
        "modules.platform imports modules.payment, which lies above it",
        "> the business modules > modules.platform",
    ),
    "a module imports its host": Plant(
        "modules/payment/models.py",
        "import shop.settings.base",
        "layers",
        "modules.payment imports shop, which lies above it",
        "let the host hand it in",
    ),
    "a module imports the control plane": Plant(
        "modules/orders/sagas.py",
        "import modules.extraction.plan",
        "layers",
        "modules.orders imports modules.extraction",
        "move what is shared down",
    ),
    "another module's models": Plant(
        "modules/orders/sagas.py",
        "from modules.payment.models import Payment as Row",
        "contract-only",
        "imports modules.payment.models, which is private to payment",
        "modules.payment.contract",
    ),
    "another module's service, inside a function": Plant(
        "modules/orders/sagas.py",
        "def late():\n    from modules.payment import service\n    return service",
        "contract-only",
        "imports modules.payment.service, which is private to payment",
        "use()",
    ),
    "extraction reaches into a module": Plant(
        "modules/extraction/plan.py",
        "import modules.payment.models",
        "contract-only",
        "modules.extraction.plan imports modules.payment.models",
        "modules.payment.module",
    ),
    "extraction gets a model by name": Plant(
        "modules/extraction/plan.py",
        'from django.apps import apps\napps.get_model("payment.Payment")',
        "reach-by-name",
        "gets a model of payment by name",
        "modules.payment.contract",
    ),
    "a host's service imports the control plane": Plant(
        "extracted/payment/settings.py",
        "import modules.extraction.plan",
        "host-closure",
        "extracted.payment.settings imports modules.extraction.plan",
        "stands on modules/payment",
    ),
    "the platform imports the control plane": Plant(
        "modules/platform/messaging/relay.py",
        "import modules.extraction.plan",
        "layers",
        "modules.platform imports modules.extraction, which lies above it",
        "> modules.extraction >",
    ),
    "the protocol imports Django": Plant(
        "modules/extraction/protocol/streams.py",
        "from django.db import connections",
        "protocol-purity",
        "modules.extraction.protocol.streams imports django",
        "psycopg and structlog alone",
    ),
    "the protocol imports the half that drives it": Plant(
        "modules/extraction/protocol/streams.py",
        "import modules.extraction.plan",
        "protocol-purity",
        "modules.extraction.protocol.streams imports modules.extraction.plan",
        "hand in what it needs",
    ),
    "phases look at the database": Plant(
        "modules/extraction/phases.py",
        "import psycopg",
        "phases-purity",
        "modules.extraction.phases imports psycopg",
        "facts are handed in",
    ),
    "guards collect their facts": Plant(
        "modules/extraction/guards.py",
        "from modules.platform.messaging import publish",
        "phases-purity",
        "modules.extraction.guards imports modules.platform.messaging",
        "facts are handed in",
    ),
    "a contract that is not declared": Plant(
        "modules/payment/service.py",
        "from modules.catalog.contract import Catalog",
        "undeclared-contract",
        "the contract of catalog, which payment does not declare",
        "modules/payment/module.py",
    ),
    "a contract imports Django": Plant(
        "modules/payment/contract/port.py",
        "import django",
        "contract-purity",
        "modules.payment.contract.port imports django",
        "standard library",
    ),
    "a contract imports the codec": Plant(
        "modules/payment/contract/port.py",
        "from modules.platform.contracts.codec import encode",
        "contract-purity",
        "imports modules.platform.contracts.codec",
        "standard library",
    ),
    "a contract imports another contract": Plant(
        "modules/payment/contract/port.py",
        "from modules.orders.contract import Orders",
        "rooms",
        "imports the contract of orders: contract may not",
        "plain types",
    ),
    "a contract reaches Django through the platform": Plant(
        "modules/platform/contracts/__init__.py",
        "import modules.platform.rest",
        "contract-purity",
        "modules.payment.contract reaches django",
        "frozen dataclasses",
    ),
    "the declaration imports Django": Plant(
        "modules/payment/module.py",
        "import django",
        "module-purity",
        "modules.payment.module imports django",
        "runs nothing",
    ),
    "domain imports Django": Plant(
        "modules/payment/domain.py",
        "from django.db import models",
        "domain-purity",
        "modules.payment.domain imports django",
        "no database",
    ),
    "domain imports the messaging": Plant(
        "modules/payment/domain.py",
        "from modules.platform.messaging import publish",
        "domain-purity",
        "imports modules.platform.messaging",
        "rules are pure",
    ),
    "models import the service": Plant(
        "modules/payment/models.py",
        "from modules.payment import service",
        "rooms",
        "models may not import service",
        "contract, domain, models",
    ),
    "models import another contract": Plant(
        "modules/payment/models.py",
        "from modules.orders.contract import OrderConfirmed",
        "rooms",
        "imports the contract of orders: models may not",
        "let the service translate",
    ),
    "the service imports the edge": Plant(
        "modules/orders/service.py",
        "from modules.orders.rest import views",
        "rooms",
        "service may not import rest",
        "below what presents",
    ),
    "handlers import models": Plant(
        "modules/payment/handlers.py",
        "from modules.payment import models",
        "rooms",
        "handlers may not import models",
        "use case of its own service",
    ),
    "rest imports models": Plant(
        "modules/payment/rest/views.py",
        "from modules.payment import models",
        "rooms",
        "rest may not import models",
        "calls the service",
    ),
    "a provider imports models": Plant(
        "modules/payment/providers/stripe.py",
        "from modules.payment import models",
        "rooms",
        "providers may not import models",
        "leaves the tables to the service",
    ),
    "queries import the edge": Plant(
        "modules/orders/queries.py",
        "from modules.orders.rest import views",
        "rooms",
        "queries may not import rest",
        "change nothing",
    ),
    "admin imports handlers": Plant(
        "modules/payment/admin.py",
        "from modules.payment import handlers",
        "rooms",
        "admin may not import handlers",
        "same use case",
    ),
    "tasks import the edge": Plant(
        "modules/orders/tasks.py",
        "from modules.orders.rest import views",
        "rooms",
        "tasks may not import rest",
        "use cases",
    ),
    "resilience imports Django": Plant(
        "modules/platform/resilience/__init__.py",
        "import django",
        "platform-purity",
        "modules.platform.resilience imports django",
        "standard library only",
    ),
    "contracts import the rest of the platform": Plant(
        "modules/platform/contracts/__init__.py",
        "import modules.platform.binding",
        "platform-purity",
        "modules.platform.contracts imports modules.platform.binding",
        "standard library only",
    ),
    "the proxy imports a module": Plant(
        "strangler_proxy/routes.py",
        "import modules.payment.contract",
        "proxy-alone",
        "strangler_proxy.routes imports modules.payment.contract",
        "modules.platform.resilience only",
    ),
    "a module imports the proxy": Plant(
        "modules/payment/service.py",
        "import strangler_proxy.routes",
        "proxy-alone",
        "modules.payment.service imports strangler_proxy.routes",
        "nobody imports the proxy",
    ),
    "a standalone host imports the monolith": Plant(
        "extracted/payment/settings.py",
        "import shop.settings.base",
        "host-closure",
        "extracted.payment.settings imports shop.settings.base",
        "stands on modules/payment",
    ),
    "a standalone host imports another module": Plant(
        "extracted/payment/settings.py",
        "import modules.orders.sagas",
        "host-closure",
        "imports modules.orders.sagas",
        "stands on modules/payment",
    ),
    "a standalone host imports another one": Plant(
        "extracted/payment/settings.py",
        "import extracted.notification",
        "host-closure",
        "extracted.payment.settings imports extracted.notification",
        "stands on modules/payment",
    ),
    "the monolith imports a standalone host": Plant(
        "shop/wiring.py",
        "import extracted.payment.settings",
        "host-closure",
        "shop.wiring imports extracted.payment.settings: hosts stand beside each other",
        "modules/platform/hosting",
    ),
    "a module imports a standalone host": Plant(
        "modules/payment/service.py",
        "import extracted.payment.settings",
        "layers",
        "modules.payment imports extracted, which lies above it",
        "let the host hand it in",
    ),
    "variables reach for the models": Plant(
        "modules/payment/variables.py",
        "from modules.payment import models",
        "rooms",
        "variables may not import models",
        "before Django is there",
    ),
    "surroundings reach for the service": Plant(
        "modules/payment/surroundings.py",
        "from modules.payment import service",
        "rooms",
        "surroundings may not import service",
        "programs of their own",
    ),
    "another module's interior as text": Plant(
        "modules/orders/sagas.py",
        'PATH = "modules.payment.service.authorize"',
        "reach-by-name",
        "names 'modules.payment.service.authorize'",
        "modules.payment.contract",
    ),
    "another module's model by label": Plant(
        "modules/orders/sagas.py",
        'from django.apps import apps\napps.get_model("payment.Payment")',
        "reach-by-name",
        "gets a model of payment by name",
        "modules.payment.contract",
    ),
    "another module's model by app and name": Plant(
        "modules/orders/sagas.py",
        'from django.apps import apps\napps.get_model("payment", "Payment")',
        "reach-by-name",
        "gets a model of payment by name",
        "modules.payment.contract",
    ),
    "a drawer": Plant(
        "modules/platform/messaging/utils.py",
        "",
        "drawer",
        "modules/platform/messaging/utils.py is a drawer",
        "name each thing for what it is",
    ),
    "a drawer as a package": Plant(
        "modules/payment/common/__init__.py",
        "",
        "drawer",
        "common says nothing of what is in it",
        "with its owner",
    ),
    "a renamed room": Plant(
        "modules/payment/services.py",
        "",
        "rooms-renamed",
        "payment has a room of its own making, services",
        "modules/payment/service.py",
    ),
}
_PROTOCOL = {"modules/extraction/protocol/__init__.py": "import psycopg\n"}
OTHERS = {
    "the protocol imports Django": _PROTOCOL,
    "the protocol imports the half that drives it": _PROTOCOL,
    "a standalone host imports another one": {"extracted/notification/__init__.py": ""},
    "a contract that is not declared": {
        "modules/catalog/__init__.py": "",
        "modules/catalog/contract/__init__.py": "from typing import Protocol\n"
        "class Catalog(Protocol): ...\n",
        "modules/catalog/module.py": "from modules.catalog.contract import Catalog\n"
        "MODULE = Module(name='catalog', purpose='x', owner='y', port=Catalog)\n",
    },
    "a contract reaches Django through the platform": {
        "modules/platform/rest/__init__.py": "import django\n",
    },
    "rest imports models": {"modules/payment/rest/__init__.py": ""},
    "a provider imports models": {"modules/payment/providers/__init__.py": ""},
}


def test_clean_house_has_no_violations(house: House) -> None:
    """What the plants are planted in is clean, so that each finding is the plant's."""
    assert house.check() == ()


@pytest.mark.parametrize("name", PLANTS)
def test_planted_violation_is_found(house: House, name: str) -> None:
    """The rule fails, names the place, states the fact and shows a way out."""
    plant = PLANTS[name]
    for path, text in OTHERS.get(name, {}).items():
        house.write(path, text)

    first = house.append(plant.path, plant.text)

    found = [one for one in house.check() if one.rule == plant.rule and plant.fact in one.fact]
    assert found, house.check()
    assert plant.way_out in found[0].way_out
    if found[0].line and "reaches" not in plant.fact:
        assert found[0].path == plant.path
        assert first <= found[0].line <= first + plant.text.count("\n")


@pytest.mark.parametrize("name", PLANTS)
def test_planted_violation_is_the_only_kind_found(house: House, name: str) -> None:
    """A plant breaks its own rule and trips no rule that has nothing to do with it."""
    plant = PLANTS[name]
    for path, text in OTHERS.get(name, {}).items():
        house.write(path, text)

    house.append(plant.path, plant.text)

    # An import that is wrong on its own may also be wrong as part of a chain.
    kin = {plant.rule, "layers", "contract-only", "platform-purity", "undeclared-contract"}
    assert {one.rule for one in house.check()} <= kin


def test_a_hosts_own_environment_is_not_looked_at(house: House) -> None:
    """extracted/<module>/.venv is full of other people's drawers, and of imports of everything."""
    house.write("extracted/payment/.venv/lib/thing/__init__.py", "import shop.settings.base\n")
    house.write("extracted/payment/.venv/lib/thing/utils.py", "import strangler_proxy\n")

    assert house.check() == ()
