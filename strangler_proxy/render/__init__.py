"""The same routing document as configuration of an existing data plane.

``render(document, target)`` gives the files and a note for each option that the target does not
do alike; ``render_command`` is the same for the command line.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from strangler_proxy.config import Document
from strangler_proxy.render import envoy, gateway_api, haproxy, nginx
from strangler_proxy.render.report import Note, Notes, Rendering, Severity, deliver

__all__ = ["Note", "Rendering", "Severity", "Target", "render", "render_command"]


class Target(StrEnum):
    """The data planes that a document can be rendered for."""

    ENVOY = "envoy"
    HAPROXY = "haproxy"
    NGINX = "nginx"
    GATEWAY_API = "gateway-api"


_RENDERERS = {
    Target.ENVOY: envoy.render,
    Target.HAPROXY: haproxy.render,
    Target.NGINX: nginx.render,
    Target.GATEWAY_API: gateway_api.render,
}


def render(document: Document, target: Target | str) -> Rendering:
    """The document, which must compile, for ``target``. Raises ValueError for another target."""
    if target not in list(Target):
        raise ValueError(f"{target!r} is no target to render for; known are {', '.join(Target)}")
    notes = Notes()
    files = _RENDERERS[Target(target)](document, notes)
    return Rendering(files, notes.sorted())


def render_command(
    document: Document, target: Target | str, out_dir: Path | None = None, *, strict: bool = False
) -> int:
    """Write the rendering to ``out_dir``, or to stdout, and its notes to stderr.

    Returns the exit code: 0, or 3 when something is lost and ``strict``. Raises OSError.
    """
    return deliver(render(document, target), str(target), out_dir, strict=strict)
