"""What is taken from outside is heard, and can be heard again without anybody being asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4

import msgspec
import pytest

from modules.platform.outside import (
    Heard,
    NothingHeard,
    Player,
    Recorder,
    drawn,
    hearing,
    is_heard,
    overheard,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """An answer with all that is not JSON's."""

    id: UUID
    at: datetime
    amount: int


class Away(Exception):
    """The root of the errors."""


class Refused(Away):
    """One with arguments of its own, whose message is another."""

    def __init__(self, code: str, *, reason: str) -> None:
        super().__init__(f"refused: {code}")
        self.code, self.reason = code, reason


class Bank(Protocol):
    name: str

    def charge(self, amount: int, *, key: str, timeout: float) -> Charge | None: ...


class RealBank:
    """Counts how often it is asked."""

    name = "bank"

    def __init__(self) -> None:
        self.asked = 0

    def charge(self, amount: int, *, key: str, timeout: float) -> Charge | None:
        self.asked += 1
        if amount == 0:
            return None
        if amount < 0:
            raise Refused("negative", reason=key)
        return Charge(id=uuid4(), at=datetime.now(UTC), amount=amount)


def bank() -> tuple[RealBank, Bank]:
    """One, and the same overheard."""
    real = RealBank()
    return real, overheard(real, Bank, ("charge",), name="bank", errors=(Away,))


def charges(one: Bank, *amounts: int) -> list[object]:
    """Answers and errors, with an id drawn for each."""
    found: list[object] = []
    for amount in amounts:
        try:
            found.append((drawn(uuid4), one.charge(amount, key=f"k{amount}", timeout=1.5)))
        except Refused as error:
            found.append((str(error), error.code, error.reason))
    return found


def test_what_was_heard_is_heard_again() -> None:
    """Ids, answers and errors, through JSON; and nobody is asked a second time."""
    real, one = bank()
    recorder = Recorder()
    with hearing(recorder):
        assert is_heard()
        then = charges(one, 5, 0, -1)
    heard = msgspec.json.decode(msgspec.json.encode(recorder.heard), type=Heard)
    player = Player(heard)
    with hearing(player):
        assert charges(one, 5, 0, -1) == then
    assert real.asked == 3
    said = [(one.asked, one.of) for one in heard.exchanges]
    assert said == [("bank.charge", {"amount": a, "key": f"k{a}"}) for a in (5, 0, -1)]
    assert [(one.asked, one.of) for one in player.asked] == said
    assert not is_heard()


def test_who_asks_more_or_somebody_else_hears_nothing() -> None:
    """What it asked is known all the same; ids that were not drawn then are new ones."""
    real, one = bank()
    player = Player(Heard())
    with hearing(player):
        assert drawn(uuid4) != drawn(uuid4)
        with pytest.raises(NothingHeard, match=r"bank\.charge was not asked then"):
            one.charge(7, key="k", timeout=1)
    assert (real.asked, player.asked[0].of) == (0, {"amount": 7, "key": "k"})


def test_nobody_listens() -> None:
    """The client itself answers, and all else of it is as it was."""
    real, one = bank()
    assert one.charge(0, key="k", timeout=1) is None
    assert (real.asked, one.name) == (1, "bank")
    with pytest.raises(AttributeError):
        one.nothing  # type: ignore[attr-defined]  # noqa: B018
