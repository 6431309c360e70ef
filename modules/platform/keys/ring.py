"""Ed25519 key pairs that sign: files in one directory, read by every process of a host.

``<kid>.pem`` signs (the newest) and verifies (all of them), ``<kid>.pub`` is its public half for
others; a retired key's files are removed. A kid starts with its time of making, so that names sort
by age. Other processes see a new or retired key within ``LOOK_AGAIN``, and at once when a token
names a kid they do not know.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
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
        super().__init__(f"{kid} signs now; run `rotate` first.")


class NoSuchKey(Exception):
    """There is no such key."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"There is no key {kid}; see `list`.")


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
        self._newest_first: tuple[SigningKey, ...] = ()
        self._looked = float("-inf")

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
        return self._newest_first

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
            self._path(kid).with_suffix(".pub").unlink(missing_ok=True)
        self._reload()

    def _path(self, kid: str) -> Path:
        return self.directory / f"{kid}.pem"

    def _reload(self) -> None:
        # No lock: two that read at once read the same, and each assignment is whole.
        keys = self._read()
        self._keys = keys
        self._newest_first = tuple(keys[kid] for kid in sorted(keys, reverse=True))
        self._looked = time.monotonic()

    def _read(self) -> dict[str, SigningKey]:
        found = {}
        for path in self.directory.glob("*.pem"):
            kid = path.stem
            found[kid] = self._keys.get(kid) or _load(kid, path.read_bytes())
        return found

    def _make(self) -> str:
        kid = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = self._path(kid)
        # The public half first: whoever sees that a key signs can verify it too.
        _write_whole(path.with_suffix(".pub"), public, mode=0o644)
        _write_whole(path, secret, mode=0o600)
        return kid

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write_whole(path: Path, data: bytes, *, mode: int) -> None:
    """A reader sees the whole file or none."""
    draft = path.with_suffix(path.suffix + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    draft.rename(path)


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
