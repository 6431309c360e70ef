"""The Django apps of a host: the admin, the edge, the platform, and its modules."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from modules.platform.databases.aliases import ACCOUNTS
from modules.platform.hosting.host import Host

PLATFORM = (
    "modules.platform.databases.apps.DatabasesConfig",
    "modules.platform.messaging.apps.MessagingConfig",
    "modules.platform.sagas.apps.SagasConfig",
    "modules.platform.rest.apps.RestConfig",
    "modules.platform.rpc.apps.RpcConfig",
    "modules.platform.grpc_calls.apps.GrpcCallsConfig",
    "modules.platform.discovery.apps.DiscoveryConfig",
    "modules.platform.observability.apps.ObservabilityConfig",
    "modules.platform.boundaries.apps.BoundariesConfig",
    "modules.platform.console.apps.ConsoleConfig",
    "modules.platform.hosting.apps.HostingConfig",
)
# After the modules: it divides the ways that they have bound.
PLACEMENT = "modules.platform.placement.apps.PlacementConfig"


def settings(host: Host, modules: Sequence[str]) -> dict[str, Any]:
    """Names and values. A host's own app comes first, so that its commands do."""
    own = f"{host.package}.apps"
    operators = ["modules.platform.operators.apps.OperatorsConfig"]
    return {
        "INSTALLED_APPS": [
            *([f"{own}.{host.name.title()}Config"] if _exists(own) else []),
            "modules.platform.backoffice.apps.BackofficeConfig",
            "unfold.apps.BasicAppConfig",  # the site is ours: modules.platform.backoffice.site
            "unfold.contrib.filters",
            "modules.platform.backoffice.apps.PagesConfig",  # django.contrib.admin
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "corsheaders",
            "rest_framework",
            "drf_spectacular",
            "drf_spectacular_sidecar",
            *(["axes"] if ACCOUNTS in modules else operators),
            *PLATFORM,
            *(f"modules.{module}.apps.{module.title()}Config" for module in modules),
            *([] if host.standalone else [PLACEMENT]),
            *(f"modules.{one}.apps.{one.title()}Config" for one in host.control_plane),
        ]
    }


def _exists(module: str) -> bool:
    return find_spec(module) is not None
