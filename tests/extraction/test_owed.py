"""Which receipt is owed: the last change of authority's, of this extraction."""

from __future__ import annotations

import pytest

from modules.extraction import owed as settling
from modules.extraction.models import Receipt, Step
from modules.extraction.owed import Owed, owed

pytestmark = pytest.mark.django_db
CHANGE = Owed(kind="cutover", epoch=3, marker=7)


@pytest.fixture(autouse=True)
def _changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The databases say that the service has the module since marker 7."""
    monkeypatch.setattr(settling, "move_of", lambda module: None)
    monkeypatch.setattr(settling, "_last_change", lambda move: CHANGE)


def step(verb: str) -> Step:
    return Step.objects.create(module="payment", verb=verb, actor="ada", reason="a test")


def receipt(*, epoch: int) -> None:
    body = {"marker": CHANGE.marker}
    Receipt.objects.create(
        module="payment", kind="cutover", epoch=epoch, body=body, token="", step=step("cutover")
    )


def test_a_receipt_of_the_change_settles_it() -> None:
    """Once."""
    step("create")
    assert owed("payment") == CHANGE
    receipt(epoch=3)
    assert owed("payment") is None


@pytest.mark.django_db(transaction=True)
def test_a_receipt_of_an_earlier_extraction_settles_nothing() -> None:
    """Markers begin anew with each: the same number there was another change."""
    step("create")
    receipt(epoch=1)
    step("create")
    assert owed("payment") == CHANGE
