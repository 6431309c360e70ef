"""Signed receipts: what was handed over, when, on which sums. Nobody can alter one unseen.

A receipt is a JWS (RFC 7515, EdDSA) over its facts, with the digest of the module's receipt before
it: so neither a changed one nor a missing one goes unnoticed. The keys are this host's own ring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from django.conf import settings

from modules.extraction.models import Receipt, Step
from modules.extraction.modules_here import check_module
from modules.extraction.protocol import SwapReceipt, TableDigest
from modules.platform.keys import KeyRing, ring_in
from modules.platform.keys.published import ALGORITHM

KIND = "ficus-receipt+jwt"
UNKNOWN = "unknown"  # what no database knows of a swap whose controller died


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One receipt. ``wrong`` says what does not hold; empty when everything does."""

    module: str
    kind: str
    epoch: int
    committed_at: str
    pause_ms: float | None  # None: nobody knows, the controller died after the commit point
    kid: str
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All receipts, oldest first."""

    receipts: tuple[Judged, ...]

    @property
    def has_differences(self) -> bool:
        return any(one.wrong for one in self.receipts)


def ring() -> KeyRing:
    """The keys that sign receipts; none is ever retired, or old receipts could not be verified."""
    return ring_in(Path(settings.FICUS_HOME) / "receipt_keys")


def issue(step: Step, kind: str, swap: SwapReceipt) -> Receipt:
    """Sign and keep the receipt of ``swap``, a ``cutover`` or a ``rollback``."""
    facts = {
        "marker": swap.marker,
        "positions": dict(swap.positions),
        "digests": listed(swap.digests),
        "fence_ms": round(swap.fence_ms, 3),
        "pause_ms": round(swap.pause_ms, 3),
        "committed_at": swap.committed_at.isoformat(),
    }
    return sign(step, kind, swap.epoch, facts)


def listed(digests: Sequence[TableDigest]) -> list[dict[str, Any]]:
    """The sums of each table, as a receipt has them."""
    return [
        {
            "table": one.table,
            "rows": one.source_count,
            # Beyond 2^53 a JSON number is not the same everywhere.
            "monolith": [str(value) for value in one.source_sums],
            "service": [str(value) for value in one.target_sums],
            "equal": one.equal,
        }
        for one in digests
    ]


def sign(step: Step, kind: str, epoch: int, facts: dict[str, Any]) -> Receipt:
    """Sign and keep a receipt of ``facts``, who did it and why, and of the one before it."""
    before = Receipt.objects.filter(module=step.module).order_by("id").last()
    body = {
        "module": step.module,
        "kind": kind,
        "epoch": epoch,
        **facts,
        "actor": step.actor,
        "reason": step.reason,
        "before": _digest(before.token) if before else "",
    }
    return Receipt.objects.create(
        module=step.module,
        kind=kind,
        epoch=epoch,
        body=body,
        token=_signed(body),
        step=step,
    )


def judge(module: str | None = None) -> Judgement:
    """Verify every receipt, of one module or of all. Raises NoSuchModule."""
    if module is not None:
        check_module(module)
    rows = Receipt.objects.order_by("module", "id")
    if module is not None:
        rows = rows.filter(module=module)
    return Judgement(receipts=tuple(_judged(list(rows))))


def _judged(rows: Sequence[Receipt]) -> Sequence[Judged]:
    found, last = [], dict[str, str]()
    for row in rows:
        wrong, kid = _wrong(row, _digest(last[row.module]) if row.module in last else "")
        last[row.module] = row.token
        found.append(
            Judged(
                module=row.module,
                kind=row.kind,
                epoch=row.epoch,
                committed_at=str(row.body.get("committed_at", "")),
                pause_ms=_milliseconds(row.body.get("pause_ms", 0.0)),
                kid=kid,
                wrong=wrong,
            )
        )
    return found


def _milliseconds(said: object) -> float | None:
    return float(said) if isinstance(said, int | float) else None


def _wrong(row: Receipt, before: str) -> tuple[str, str]:
    """What does not hold, and the name of the key."""
    try:
        kid = str(jwt.get_unverified_header(row.token).get("kid", ""))
        key = ring().find(kid)
        if key is None:
            return f"there is no key {kid}", kid
        said = jwt.decode(row.token, key.public, algorithms=[ALGORITHM])
    except jwt.InvalidTokenError as error:
        return f"its signature does not hold ({error})", ""
    if said != row.body:
        return "its facts are not those that were signed", kid
    if (said["module"], said["kind"], said["epoch"]) != (row.module, row.kind, row.epoch):
        return "it is the receipt of something else", kid
    if said["before"] != before:
        return "the receipt before it is missing or another one", kid
    return "", kid


def _signed(body: dict[str, Any]) -> str:
    key = ring().signing()
    return jwt.encode(body, key.private, ALGORITHM, headers={"kid": key.kid, "typ": KIND})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
