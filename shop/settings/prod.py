"""The shop in production: nothing embedded, nothing defaulted that must be secret."""

from shop.settings.base import *  # noqa: F403
from shop.settings.base import FICUS_HOME, env

env.require()

from shop.settings.databases import *  # noqa: E402, F403
from shop.settings.messaging import *  # noqa: E402, F403
from shop.settings.observability import *  # noqa: E402, F403

TABLE_GUARD = False
STATIC_ROOT = FICUS_HOME / "static"  # filled by collectstatic when the image is built
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [  # what other hosts ask here directly, without TLS in between
    r"^livez$",
    r"^readyz$",
    r"^metrics$",
    r"^api/v1/accounts/\.well-known/",
]
SECURE_HSTS_SECONDS = 31_536_000  # a year
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
