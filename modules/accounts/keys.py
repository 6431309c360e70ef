"""The Ed25519 keys that sign access tokens: files in one directory, read by every process.

``<kid>.pem`` signs (the newest) and verifies (all of them); a retired key's file is removed. A
kid starts with its time of making, so that names sort by age. Other processes see a new or
retired key within ``LOOK_AGAIN``, and at once when a token names a kid they do not know.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

LOOK_AGAIN = 5.0  # seconds between two looks at the directory
MISS_PAUSE = 0.5  # seconds: tokens with made-up kids must not turn into disk reads


class KeyInUse(Exception):
    """The key that signs cannot be retired: rotate first."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"{kid} signs access tokens now; run `signing_keys rotate` first.")


class NoSuchKey(Exception):
    """There is no such key."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"There is no signing key {kid}; see `signing_keys list`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key pair. ``x`` is the public key, base64url without padding."""

    kid: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey
    x: str
    made_at: datetime


class KeyRing:
    """The keys of one directory, cached in this process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._keys: dict[str, SigningKey] = {}
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def signing(self) -> SigningKey:
        """The key that signs; made when there is none yet (by one of the processes that ask)."""
        keys = self.all()
        if not keys:
            with self._exclusive():
                if not self._read():
                    self._make()
            keys = self.all(fresh=True)
        return keys[0]

    def all(self, *, fresh: bool = False) -> tuple[SigningKey, ...]:
        """The keys that verify, newest first."""
        if fresh or time.monotonic() - self._looked > LOOK_AGAIN:
            self._reload()
        return tuple(self._keys[kid] for kid in sorted(self._keys, reverse=True))

    def find(self, kid: str) -> SigningKey | None:
        """The key named ``kid``, looking at the directory again when it is not known."""
        waited = time.monotonic() - self._looked
        if waited > LOOK_AGAIN or (kid not in self._keys and waited > MISS_PAUSE):
            self._reload()
        return self._keys.get(kid)

    def rotate(self) -> SigningKey:
        """Make a key that signs from now on; the others go on verifying."""
        with self._exclusive():
            kid = self._make()
        self._reload()
        return self._keys[kid]

    def retire(self, kid: str) -> None:
        """Let tokens of ``kid`` be refused. Raises NoSuchKey, KeyInUse."""
        with self._exclusive():
            known = self._read()
            if kid not in known:
                raise NoSuchKey(kid)
            if kid == max(known):
                raise KeyInUse(kid)
            self._path(kid).unlink()
        self._reload()

    def _path(self, kid: str) -> Path:
        return self.directory / f"{kid}.pem"

    def _reload(self) -> None:
        with self._lock:
            self._keys = self._read()
            self._looked = time.monotonic()

    def _read(self) -> dict[str, SigningKey]:
        found = {}
        for path in self.directory.glob("*.pem"):
            kid = path.stem
            found[kid] = self._keys.get(kid) or _load(kid, path.read_bytes())
        return found

    def _make(self) -> str:
        kid = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"
        data = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        draft = self._path(kid).with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        draft.rename(self._path(kid))  # a reader sees the whole key or none
        return kid

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _load(kid: str, data: bytes) -> SigningKey:
    private = load_pem_private_key(data, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError(f"signing key {kid} is not an Ed25519 key")
    public = private.public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SigningKey(
        kid=kid,
        private=private,
        public=public,
        x=base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
        made_at=datetime.strptime(kid.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC),
    )


@cache
def ring_in(directory: Path) -> KeyRing:
    """This process's ring of the keys in ``directory``."""
    return KeyRing(directory)


def ring() -> KeyRing:
    """The shop's ring."""
    from django.conf import settings

    return ring_in(Path(settings.SIGNING_KEYS_DIR))
