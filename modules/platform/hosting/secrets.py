"""Secrets of a host that runs by itself: made at first start, kept readable to its user only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def secret(home: Path, name: str, *, size: int = 48) -> str:
    """The secret ``name`` kept under ``home``, of ``size`` random bytes, made at first use.

    Two processes that start at once get the same one: only one of them creates the file.
    """
    path = secret_file(home, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{name}.{os.getpid()}.new")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(size))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def secret_file(home: Path, name: str) -> Path:
    """Where the secret ``name`` is kept."""
    return home / "secrets" / name
