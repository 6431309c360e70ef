"""Django's view of calls over gRPC: brings ``manage.py grpc_server``."""

from __future__ import annotations

from django.apps import AppConfig


class GrpcCallsConfig(AppConfig):
    """No models, no wiring; grpcio is imported only when it is used."""

    name = "modules.platform.grpc_calls"
    label = "grpc_calls"
