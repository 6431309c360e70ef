"""A host that places modules, with calls and queues going by its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import sites
from django.core.management import call_command
from django.test import override_settings

from modules.platform.binding import implementation_of, port_of, route
from modules.platform.binding.routes import LocalRoute
from modules.platform.messaging.carrier import install_placement
from modules.platform.placement.installing import placeable_modules
from modules.platform.placement.models import Placement, PlacementChange
from modules.platform.placement.queueing import goes_to_service
from modules.platform.placement.watching import Watcher, watcher
from tests.platform.placement.apps import APPS
from tests.platform.placement.tables import Still


@pytest.fixture(scope="package", autouse=True)
def _placing_host(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The shop with placement and the registry installed."""
    added = [one for one in APPS if not apps.is_installed(one.rpartition(".apps.")[0])]
    chosen = {
        "INSTALLED_APPS": [*settings.INSTALLED_APPS, *added],
        "ROOT_URLCONF": "tests.platform.placement.urls",
    }
    from modules.platform.placement.admin import PlacementChangePage, PlacementPage

    site, before = admin.site, install_placement(lambda module, part: False)
    install_placement(before)
    with override_settings(**chosen), django_db_blocker.unblock():
        # unfold makes a site of its own whenever apps are installed: one is enough.
        admin.site = sites.site = site
        call_command("migrate", database="default", verbosity=0)
        pages = [(Placement, PlacementPage), (PlacementChange, PlacementChangePage)]
        pages = [(model, page) for model, page in pages if not site.is_registered(model)]
        for model, page in pages:
            site.register(model, page)
        with django_db_blocker.block():
            yield
        watcher().close()
    admin.site = sites.site = site
    for model, _ in pages:
        site.unregister(model)
    if added:
        install_placement(before)
        for module in placeable_modules():
            port = port_of(module)
            assert port is not None
            route(port, LocalRoute(implementation_of(port)))


@pytest.fixture
def still() -> Iterator[Still]:
    """A table in memory that the queues go by; ``place("payment", 30)`` is known at once."""
    table = Still()
    known = Watcher(table)
    table.watcher = known
    before = install_placement(goes_to_service(known.of))
    yield table
    install_placement(before)
    known.close()
