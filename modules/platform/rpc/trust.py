"""Whose calls this host answers: issuers and where their public keys are."""

from __future__ import annotations

from collections.abc import Mapping

from modules.platform.keys import PublicKeys


class Trust:
    """The issuers of SERVICE_TRUST, each with its public keys, read when first needed."""

    def __init__(self, locations: Mapping[str, str]) -> None:
        self._keys = {issuer: PublicKeys(location) for issuer, location in locations.items()}

    def keys_of(self, issuer: str) -> PublicKeys | None:
        """The keys of ``issuer``; None when it is not trusted here."""
        return self._keys.get(issuer)

    def issuers(self) -> tuple[str, ...]:
        return tuple(self._keys)
