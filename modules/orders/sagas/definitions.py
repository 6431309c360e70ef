"""The sagas of orders as the platform runs them."""

from __future__ import annotations

from modules.orders.sagas import (
    calls,
    cancelling,
    cancelling_effects,
    placing,
    placing_effects,
    returning,
    returning_effects,
    settling,
    settling_effects,
)
from modules.platform.sagas import Definition

PLACE = Definition(
    module="orders",
    name=placing.TYPE,
    state=placing.Placing,
    ends=placing.ENDS,
    decide=placing.decide,
    perform=calls.PLACING,
    apply=placing_effects.apply,
    touches=placing_effects.touches,
)
CANCEL = Definition(
    module="orders",
    name=cancelling.TYPE,
    state=cancelling.Cancelling,
    ends=cancelling.ENDS,
    decide=cancelling.decide,
    perform=calls.CANCELLING,
    apply=cancelling_effects.apply,
)
RETURN = Definition(
    module="orders",
    name=returning.TYPE,
    state=returning.Returning,
    ends=returning.ENDS,
    decide=returning.decide,
    perform=calls.RETURNING,
    apply=returning_effects.apply,
)
SETTLE = Definition(
    module="orders",
    name=settling.TYPE,
    state=settling.Settling,
    ends=settling.ENDS,
    decide=settling.decide,
    perform=calls.SETTLING,
    apply=settling_effects.apply,
)
SAGAS = (PLACE, CANCEL, RETURN, SETTLE)
