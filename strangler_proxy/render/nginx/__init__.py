"""A routing document as nginx's configuration."""

from strangler_proxy.render.nginx.configuration import render

__all__ = ["render"]
