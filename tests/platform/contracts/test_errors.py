"""Contract errors between processes of one host, which pickle them."""

from __future__ import annotations

import pickle
from uuid import UUID

import pytest

from modules.payment.contract import PaymentNotFound
from modules.platform.contracts import ContractError, Fenced, Invalid, Moved, StaleVersion


@pytest.mark.parametrize(
    "error",
    [
        Fenced(module="payment", epoch=3),
        Moved(module="payment", epoch=4),
        StaleVersion(expected=1, actual=2),
        PaymentNotFound(order_id=UUID(int=7)),
        Invalid(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_itself_again(error: ContractError) -> None:
    """With all that it says."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert (vars(again), str(again)) == (vars(error), str(error))
