"""Public keys of others, by kid: from a directory, or from a JWK set at a URL (RFC 7517, 8037)."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import msgspec
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from modules.platform.keys.authorities import authorities
from modules.platform.keys.ring import SigningKey

log = structlog.get_logger(__name__)

ALGORITHM = "EdDSA"
FRESH = 60.0  # seconds: so late at most a retired key is refused
MISS_PAUSE = 1.0  # seconds: tokens with made-up kids must not turn into requests
STALE = 86_400.0  # seconds for which keys stand whose owner does not answer any more
TIMEOUT = 2.0  # seconds for a JWK set
LARGEST = 65_536  # bytes of a JWK set
UNREADABLE = (OSError, httpx.HTTPError, msgspec.MsgspecError, UnsupportedAlgorithm, ValueError)

Keys = dict[str, Ed25519PublicKey]


class _Jwk(msgspec.Struct):
    kid: str
    kty: str
    crv: str = ""
    x: str = ""


class _JwkSet(msgspec.Struct):
    keys: list[_Jwk]


_jwk_set = msgspec.json.Decoder(_JwkSet)


class PublicKeys:
    """The keys at ``location``, a directory or a URL of a JWK set. Safe between threads.

    Read when first asked for, again after ``FRESH``, and for a kid that is not known, but then
    not more often than each ``MISS_PAUSE``. What cannot be read is logged and the keys read before
    stand, for ``STALE`` at most.
    """

    def __init__(self, location: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.location = location
        self._clock = clock
        self._keys: Keys = {}
        self._looked = self._read_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether no key could be read yet, or none can any more: nothing can be verified."""
        return not self._keys

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key named ``kid``; None when its owner does not publish it."""
        known = self._keys.get(kid)
        if self._is_due(known is None):
            # Who knows the key goes on with it while another thread reads.
            if self._lock.acquire(blocking=known is None):
                try:
                    if self._is_due(known is None):
                        self._reload()
                finally:
                    self._lock.release()
            known = self._keys.get(kid)
        return known

    def _is_due(self, missed: bool) -> bool:
        waited = self._clock() - self._looked
        return waited > FRESH or (missed and waited > MISS_PAUSE)

    def _reload(self) -> None:
        try:
            self._keys = _read(self.location)
            self._read_at = self._clock()
        except UNREADABLE as error:
            log.warning("keys.unreadable", location=self.location, error=str(error))
            if self._clock() - self._read_at > STALE:
                self._keys = {}
        finally:
            self._looked = self._clock()


def jwk_set(keys: Iterable[SigningKey]) -> list[dict[str, str]]:
    """The public halves of ``keys`` as JWKs (RFC 8037), in the same order."""
    return [
        {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": k.kid, "x": k.x}
        for k in keys
    ]


def _read(location: str) -> Keys:
    """Raises one of UNREADABLE."""
    if location.startswith(("http://", "https://")):
        return _fetched(location)
    return _in_directory(Path(location))


def _fetched(url: str) -> Keys:
    with httpx.stream("GET", url, timeout=TIMEOUT, verify=authorities(url)) as answer:
        answer.raise_for_status()
        data = b""
        for piece in answer.iter_bytes():
            data += piece
            if len(data) > LARGEST:
                raise ValueError(f"more than {LARGEST} bytes of keys")
    return {
        jwk.kid: Ed25519PublicKey.from_public_bytes(_unpadded(jwk.x))
        for jwk in _jwk_set.decode(data).keys
        if (jwk.kty, jwk.crv) == ("OKP", "Ed25519")
    }


def _in_directory(directory: Path) -> Keys:
    """From ``*.pub``, or from the pairs themselves where somebody put only those there."""
    found: Keys = {}
    key: object
    for path in sorted(directory.iterdir()):
        if path.suffix == ".pub":
            key = load_pem_public_key(path.read_bytes())
        elif path.suffix == ".pem" and not path.with_suffix(".pub").exists():
            key = _public_of(path)
        else:
            continue
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"{path.name} is not an Ed25519 key")
        found[path.stem] = key
    return found


def _public_of(path: Path) -> object:
    pair = load_pem_private_key(path.read_bytes(), password=None)
    return pair.public_key() if isinstance(pair, Ed25519PrivateKey) else pair


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
