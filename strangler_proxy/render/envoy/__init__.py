"""A routing document as Envoy's configuration."""

from strangler_proxy.render.envoy.bootstrap import render

__all__ = ["render"]
