"""What is bound and subscribed in this process, held against the declarations."""

from __future__ import annotations

from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.source import Ref
from modules.platform.boundaries.wiring import wiring_of

PORT, HEARD = Ref("payment", "Payment"), Ref("orders", "OrderConfirmed")
PAYMENT = Declaration(
    name="payment",
    path="modules/payment/module.py",
    purpose="Take money.",
    owner="team-payments",
    port=PORT,
    consumes=(HEARD,),
    lines={"MODULE": 5, "consumes": 9},
)


def test_wired_as_declared() -> None:
    """A module that binds its port and subscribes to what it declares is fine."""
    assert list(wiring_of(PAYMENT, bound={PORT}, heard={HEARD})) == []


def test_port_that_nobody_answers() -> None:
    """apps.py forgot bind()."""
    (found,) = wiring_of(PAYMENT, bound=set(), heard={HEARD})

    assert (found.rule, found.path) == ("wiring", "modules/payment/apps.py")
    assert found.fact == "no one answers payment.Payment in this process"


def test_declared_event_without_subscription() -> None:
    """apps.py forgot subscribe()."""
    (found,) = wiring_of(PAYMENT, bound={PORT}, heard=set())

    assert "hears orders.OrderConfirmed and has not subscribed" in found.fact
    assert "subscribe('payment', HANDLERS)" in found.way_out


def test_subscription_that_is_not_declared() -> None:
    """More is heard than is declared."""
    other = Ref("orders", "OrderCancelled")

    (found,) = wiring_of(PAYMENT, bound={PORT}, heard={HEARD, other})

    assert (
        found.fact == "payment has subscribed to orders.OrderCancelled, which it does not declare"
    )
    assert found.place == "modules/payment/module.py:9"
