"""A routing document as HAProxy's configuration."""

from strangler_proxy.render.haproxy.configuration import render

__all__ = ["render"]
