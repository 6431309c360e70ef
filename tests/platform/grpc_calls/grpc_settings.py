"""A host's settings with the app of calls over gRPC, for processes of their own."""

from __future__ import annotations

from shop.settings.test import *  # noqa: F403
from shop.settings.test import INSTALLED_APPS as _APPS

_OURS = "modules.platform.grpc_calls.apps.GrpcCallsConfig"
INSTALLED_APPS = [*_APPS, *([] if _OURS in _APPS else [_OURS])]
