"""A host with discovery's commands, for tests that start one as a process."""

from shop.settings.test import *  # noqa: F403
from shop.settings.test import INSTALLED_APPS

_APP = "modules.platform.discovery.apps.DiscoveryConfig"
_ADDED = [] if _APP in INSTALLED_APPS else [_APP]
INSTALLED_APPS = [*INSTALLED_APPS, *_ADDED, "tests.platform.discovery.host_app.NamedConfig"]
