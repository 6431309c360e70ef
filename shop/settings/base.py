"""What every way of running the shop has in common."""

from __future__ import annotations

import os
from pathlib import Path

from shop.env import ROOT, load
from shop.secrets import secret

env = load()

BASE_DIR = ROOT
FICUS_HOME = Path(os.path.expanduser(env.read("FICUS_HOME") or ROOT / ".ficus")).absolute()
FICUS_MODULES = tuple(env.read("FICUS_MODULES"))
SECRET_KEY = env.read("SECRET_KEY") or secret(FICUS_HOME, "secret_key")
DEBUG = False
ALLOWED_HOSTS = env.read("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.read("CSRF_TRUSTED_ORIGINS")
_ORIGINS = env.read("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_ALL_ORIGINS = "*" in _ORIGINS
CORS_ALLOWED_ORIGINS = [origin for origin in _ORIGINS if origin != "*"]
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = [
    "accept",
    "api-key",
    "authorization",
    "cart-token",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "traceparent",
    "request-timeout",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
]
# Whose X-Forwarded-* are believed: the front door's, and what it believes itself.
TRUSTED_PROXIES = [*env.networks("TRUSTED_PROXIES"), *env.networks("LOAD_BALANCERS")]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

PLATFORM_APPS = [
    "modules.platform.databases.apps.DatabasesConfig",
    "modules.platform.messaging.apps.MessagingConfig",
    "modules.platform.sagas.apps.SagasConfig",
    "modules.platform.rest.apps.RestConfig",
    "modules.platform.observability.apps.ObservabilityConfig",
    "modules.platform.boundaries.apps.BoundariesConfig",
    "modules.platform.console.apps.ConsoleConfig",
]
INSTALLED_APPS = [
    "shop.apps.ShopConfig",
    "modules.platform.backoffice.apps.BackofficeConfig",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    *PLATFORM_APPS,
    *(f"modules.{module}.apps.{module.title()}Config" for module in FICUS_MODULES),
]
MIDDLEWARE = [
    "modules.platform.rest.forwarded.ForwardedMiddleware",
    "modules.platform.observability.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "modules.platform.rest.middleware.ApiMiddleware",
    "modules.platform.backoffice.middleware.BackofficeMiddleware",
]
# Sessions, CSRF and messages are for the admin only; BackofficeMiddleware runs them there, so
# that an API request does not pay for them.
BACKOFFICE_MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    "admin.E408",  # these three and axes.W002: the middleware is in BACKOFFICE_MIDDLEWARE
    "admin.E409",
    "admin.E410",
    "axes.W002",
    "auth.W004",  # e-mail is unique without regard to case, by a constraint on lower(email)
]
ROOT_URLCONF = "shop.urls"
APPEND_SLASH = False  # the API has no trailing slashes; urls.py redirects /admin
WSGI_APPLICATION = "shop.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "username"  # what log-in forms and authenticate() call the address
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "modules.platform.rest.forwarded.address_of"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = FICUS_HOME / "media"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000  # bytes; product CSVs come by command or as files
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True

SHOP_URL = env.read("SHOP_URL").rstrip("/") or f"http://localhost:{env.read('PROXY_PORT')}"
SHOP_NAME = env.read("SHOP_NAME")
SHOP_CURRENCY = env.read("SHOP_CURRENCY")
SIGNING_KEYS_DIR = Path(env.read("SIGNING_KEYS_DIR") or FICUS_HOME / "keys")
ACCESS_TOKEN_MINUTES = env.read("ACCESS_TOKEN_MINUTES")
PAYMENT_PROVIDER = env.read("PAYMENT_PROVIDER")
STANDIN_URL = env.read("STANDIN_URL") or f"http://127.0.0.1:{env.read('STANDIN_PORT')}"
STANDIN_WEBHOOK_SECRET = env.read("STANDIN_WEBHOOK_SECRET") or secret(FICUS_HOME, "standin")
STRIPE_API_KEY = env.read("STRIPE_API_KEY")
STRIPE_API_BASE = env.read("STRIPE_API_BASE")
STRIPE_WEBHOOK_SECRET = env.read("STRIPE_WEBHOOK_SECRET")
SMTP_URL = env.read("SMTP_URL") or f"smtp://127.0.0.1:{env.read('MAILBOX_PORT')}"
MAIL_FROM = env.read("MAIL_FROM")
SMS_GATEWAY_URL = env.read("SMS_GATEWAY_URL")

UNFOLD = {
    "SITE_TITLE": SHOP_NAME,
    "SITE_HEADER": SHOP_NAME,
    "SITE_SYMBOL": "storefront",
    "SHOW_HISTORY": True,
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "modules.platform.rest.authentication.ApiAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": ["modules.platform.rest.rendering.FastJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["modules.platform.rest.rendering.RawJSONParser"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "modules.platform.rest.openapi.OperationSchema",
    "EXCEPTION_HANDLER": "modules.platform.rest.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ficus shop API",
    "DESCRIPTION": "Browse, fill a cart, order, pay. One API wherever a module runs.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1/[a-z]+",
    "POSTPROCESSING_HOOKS": ["modules.platform.rest.openapi.add_components"],
}
