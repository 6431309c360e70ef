"""The ring of Ed25519 keys that sign access tokens; see modules/platform/keys."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from modules.platform.keys import KeyRing, ring_in


def ring() -> KeyRing:
    """The shop's ring."""
    return ring_in(Path(settings.SIGNING_KEYS_DIR))
