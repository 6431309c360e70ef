"""Where the host lives, what it composes, and what the shop is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.databases.aliases import ORIGIN, OWN
from modules.platform.hosting.environment import WEB, Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.secrets import secret


def settings(host: Host, env: Environment, home: Path) -> dict[str, Any]:
    """Names and values. Raises EnvError."""
    shop_url = (
        env.server("SHOP_URL", WEB).rstrip("/") or f"http://localhost:{env.read('PROXY_PORT')}"
    )
    retired = host.retired(env)
    composed = host.modules if host.standalone else tuple(env.read("FICUS_MODULES"))
    modules = tuple(name for name in composed if name not in retired)
    return {
        "BASE_DIR": host.root,
        "FICUS_HOST": host.name,
        "FICUS_HOST_PACKAGE": host.package,
        "FICUS_HOME": home,
        "FICUS_MODULES": modules,
        "FICUS_ELSEWHERE": tuple(name for name in host.modules if name not in modules),
        "FICUS_RETIRED": retired,
        "FICUS_CONTROL_PLANE": host.control_plane,
        "INSTANCE_ROLE": _role(host, env),
        "SECRET_KEY": env.read("SECRET_KEY") or secret(home, "secret_key"),
        "DEBUG": False,
        "ROOT_URLCONF": f"{host.package}.urls",
        "WSGI_APPLICATION": f"{host.package}.wsgi.application",
        "APPEND_SLASH": False,  # the API has no trailing slashes; urls.py redirects /admin
        "SHOP_URL": shop_url,
        "SHOP_NAME": env.read("SHOP_NAME"),
        "SHOP_CURRENCY": env.read("SHOP_CURRENCY"),
        "LANGUAGE_CODE": "en",
        "TIME_ZONE": "UTC",
        "USE_TZ": True,
        "USE_I18N": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    }


def _role(host: Host, env: Environment) -> str:
    return env.one_of("INSTANCE_ROLE", (OWN, ORIGIN)) if host.standalone else OWN
