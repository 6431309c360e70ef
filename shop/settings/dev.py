"""The shop on one's own machine: embedded servers, boundaries checked while it runs."""

from shop.settings.base import *  # noqa: F403
from shop.settings.databases import *  # noqa: F403
from shop.settings.messaging import *  # noqa: F403
from shop.settings.observability import *  # noqa: F403

TABLE_GUARD = True
WHITENOISE_USE_FINDERS = True  # serves the packages' static files without collectstatic
