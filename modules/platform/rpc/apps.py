"""Django's view of calls between hosts: brings ``manage.py service_keys``."""

from __future__ import annotations

from django.apps import AppConfig


class RpcConfig(AppConfig):
    """No models, no wiring."""

    name = "modules.platform.rpc"
    label = "rpc"
