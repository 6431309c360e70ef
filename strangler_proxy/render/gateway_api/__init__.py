"""A routing document as resources of the Kubernetes Gateway API."""

from strangler_proxy.render.gateway_api.resources import render

__all__ = ["render"]
