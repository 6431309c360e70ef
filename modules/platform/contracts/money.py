"""Money in minor units, so that no cent is ever a rounding error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

# ISO 4217 currencies whose minor unit is not a hundredth.
EXPONENTS = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "VND": 0,
    "ISK": 0,
    "BHD": 3,
    "KWD": 3,
    "TND": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in the currency's minor unit: ``Money(amount=1999, currency="EUR")`` is 19.99 EUR.

    Arithmetic between currencies raises ``ValueError``.
    """

    amount: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(amount=self.amount + self._same(other).amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(amount=self.amount - self._same(other).amount, currency=self.currency)

    def __mul__(self, quantity: int) -> Money:
        return Money(amount=self.amount * quantity, currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=-self.amount, currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other).amount

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other).amount

    def __str__(self) -> str:
        places = EXPONENTS.get(self.currency, 2)
        if not places:
            return f"{self.amount} {self.currency}"
        whole, part = divmod(abs(self.amount), 10**places)
        sign = "-" if self.amount < 0 else ""
        return f"{sign}{whole}.{part:0{places}d} {self.currency}"

    def percent(self, basis_points: int) -> Money:
        """``basis_points`` hundredths of a percent of this, rounded half away from zero."""
        product = abs(self.amount) * basis_points
        rounded = (product + 5_000) // 10_000
        return Money(amount=rounded if self.amount >= 0 else -rounded, currency=self.currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount=0, currency=currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}")
        return other
