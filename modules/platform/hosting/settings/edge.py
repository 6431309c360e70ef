"""HTTP: who is believed, what runs around each request, how REST answers."""

from __future__ import annotations

from typing import Any

from modules.platform.hosting.environment import Environment

HEADERS_TAKEN = [
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
HEADERS_SHOWN = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
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
REST_FRAMEWORK: dict[str, Any] = {
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
SPECTACULAR_SETTINGS: dict[str, Any] = {
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


def settings(env: Environment) -> dict[str, Any]:
    """Names and values. Raises EnvError."""
    origins = env.read("CORS_ALLOWED_ORIGINS")
    return {
        "ALLOWED_HOSTS": env.read("ALLOWED_HOSTS"),
        "CSRF_TRUSTED_ORIGINS": env.read("CSRF_TRUSTED_ORIGINS"),
        "CORS_ALLOW_ALL_ORIGINS": "*" in origins,
        "CORS_ALLOWED_ORIGINS": [origin for origin in origins if origin != "*"],
        "CORS_URLS_REGEX": r"^/api/.*$",
        "CORS_ALLOW_HEADERS": HEADERS_TAKEN,
        "CORS_EXPOSE_HEADERS": HEADERS_SHOWN,
        # Whose X-Forwarded-* are believed: the front door's, and what it believes itself.
        "TRUSTED_PROXIES": [*env.networks("TRUSTED_PROXIES"), *env.networks("LOAD_BALANCERS")],
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        # Bytes; product CSVs come by command or as files.
        "DATA_UPLOAD_MAX_MEMORY_SIZE": 5_000_000,
        "MIDDLEWARE": MIDDLEWARE,
        "REST_FRAMEWORK": REST_FRAMEWORK,
        "SPECTACULAR_SETTINGS": SPECTACULAR_SETTINGS,
    }
