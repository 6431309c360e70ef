"""Declared against true, in both directions: each rule shown to fail."""

from __future__ import annotations

import pytest

from tests.architecture.house import House

PAYMENT, ORDERS = "modules/payment/module.py", "modules/orders/module.py"


def _found(house: House, rule: str, fact: str) -> str:
    """The place of the one violation that is found, when it is of ``rule`` and says ``fact``."""
    violations = house.check()
    assert [one.rule for one in violations] == [rule], violations
    assert fact in violations[0].fact
    assert violations[0].way_out
    return violations[0].place


def test_module_without_declaration(house: House) -> None:
    """A package in modules/ must say what it is."""
    house.write("modules/wishlist/__init__.py", "")

    assert _found(house, "declaration", "wishlist has no declaration") == (
        "modules/wishlist/module.py"
    )


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ('name="payment"', 'name="pay"', "in modules/payment is named 'pay'"),
        ('purpose="Take money."', 'purpose=""', "purpose is not a text"),
        ('owner="team-payments"', "owner=None", "owner is not a text"),
        ("(PaymentAuthorized,)", "tuple(EVENTS)", "publishes is not written out as a tuple"),
        ("(PaymentAuthorized,)", "(*EVENTS,)", "*EVENTS in MODULE's publishes is not a name"),
        ("port=Payment", "port=int", "does not declare a port of its own contract"),
        ("MODULE = Module(", "THIS = Module(", "does not assign MODULE"),
    ],
)
def test_declaration_must_be_literal_and_consistent(
    house: House, old: str, new: str, fact: str
) -> None:
    """A declaration that cannot be read without running it is refused."""
    house.replace(PAYMENT, old, new)

    found = [one for one in house.check() if one.rule == "declaration"]

    assert [one.path for one in found] == [PAYMENT]
    assert fact in found[0].fact


def test_declared_names_must_be_what_they_are_declared_as(house: House) -> None:
    """A command among the published events is no event."""
    house.replace(PAYMENT, "(PaymentAuthorized,)", "(PaymentAuthorized, AuthorizePayment)")
    house.replace(PAYMENT, "import Payment,", "import AuthorizePayment, Payment,")

    facts = [one.fact for one in house.check()]

    assert "payment declares payment.AuthorizePayment in publishes, which is no event of a " in (
        " ".join(facts)
    )


def test_call_that_is_not_declared(house: House) -> None:
    """use() of a port that the declaration does not name."""
    house.write(
        "modules/payment/tasks.py",
        """\
        from modules.orders.contract import Orders
        from modules.platform.binding import use
        def ask():
            return use(Orders)
        """,
    )

    place = _found(house, "calls-undeclared", "payment calls orders.Orders")

    assert place == "modules/payment/tasks.py:4"


def test_call_through_an_alias_is_seen(house: House) -> None:
    """Renaming the import or going through the package hides nothing."""
    house.write(
        "modules/payment/tasks.py",
        """\
        import modules.orders.contract as theirs
        from modules.platform import binding as wires
        def ask():
            return wires.use(theirs.Orders)
        """,
    )

    _found(house, "calls-undeclared", "payment calls orders.Orders")


def test_declared_call_that_is_never_made(house: House) -> None:
    """What is declared must be true."""
    house.replace("modules/orders/sagas.py", "use(Payment).authorize(AuthorizePayment())", "...")

    place = _found(house, "calls-unused", "orders declares that it calls payment.Payment and never")

    assert place == f"{ORDERS}:9"


def test_use_of_something_that_is_no_name_of_a_contract(house: House) -> None:
    """A port that arrives in a variable cannot be held against the declaration."""
    house.append("modules/orders/sagas.py", "def ask(port):\n    return use(port)\n")

    _found(house, "unreadable", "use(port) does not name a port")


def test_event_that_is_not_declared(house: House) -> None:
    """An event of one's own that is made and not declared."""
    house.append(
        "modules/payment/contract/events.py", "class PaymentVoided(PaymentAuthorized): ...\n"
    )
    house.append(
        "modules/payment/service.py",
        """\
        from modules.payment.contract.events import PaymentVoided
        def void():
            publish(PaymentVoided())
        """,
    )

    _found(house, "publishes-undeclared", "payment makes payment.PaymentVoided")


def test_declared_event_that_is_never_made(house: House) -> None:
    """What is declared must be true."""
    house.replace("modules/payment/service.py", "publish(PaymentAuthorized())", "...")

    place = _found(
        house, "publishes-unused", "declares that it publishes payment.PaymentAuthorized and never"
    )

    assert place == f"{PAYMENT}:9"


def test_event_of_the_contract_that_nobody_publishes(house: House) -> None:
    """A contract promises nothing that never happens."""
    house.append(
        "modules/payment/contract/events.py", "class PaymentVoided(PaymentAuthorized): ...\n"
    )

    place = _found(house, "publishes-unused", "has payment.PaymentVoided, which nobody publishes")

    assert place == "modules/payment/contract/events.py:3"


def test_another_modules_event_may_not_be_made(house: House) -> None:
    """Only its own module may publish an event."""
    house.append(
        "modules/payment/service.py",
        """\
        from modules.orders.contract import OrderConfirmed
        def lie():
            publish(OrderConfirmed())
        """,
    )

    _found(house, "publishes-foreign", "payment makes orders.OrderConfirmed, an event of another")


def test_declaring_another_modules_event_as_published(house: House) -> None:
    """The declaration cannot claim it either."""
    house.replace(PAYMENT, "publishes=(PaymentAuthorized,)", "publishes=(OrderConfirmed,)")

    rules = {one.fact for one in house.check() if one.rule == "declaration"}

    assert rules == {"payment declares that it publishes orders.OrderConfirmed"}


def test_handler_of_an_event_that_is_not_declared(house: House) -> None:
    """HANDLERS and consumes must agree."""
    house.replace(PAYMENT, "consumes=(OrderConfirmed,),", "")

    rules = [(one.rule, one.place) for one in house.check()]

    assert ("consumes-undeclared", "modules/payment/handlers.py:3") in rules


def test_declared_event_without_a_handler(house: House) -> None:
    """What is declared must be true."""
    house.replace("modules/payment/handlers.py", "{OrderConfirmed: [service.authorize]}", "{}")

    place = _found(
        house, "consumes-unused", "declares that it hears orders.OrderConfirmed and has no handler"
    )

    assert place == f"{PAYMENT}:10"


@pytest.mark.parametrize(
    ("table", "fact"),
    [
        ("dict([(OrderConfirmed, [])])", "HANDLERS is not written out as a dict"),
        ("{OrderConfirmed: [], **MORE}", "** in HANDLERS is not an event's name"),
    ],
)
def test_handlers_must_be_written_out(house: House, table: str, fact: str) -> None:
    """A table that cannot be read cannot be held against the declaration."""
    house.replace("modules/payment/handlers.py", "{OrderConfirmed: [service.authorize]}", table)

    assert fact in [one.fact for one in house.check() if one.rule == "unreadable"]


def test_handlers_may_not_ask_other_modules(house: House) -> None:
    """A handler runs in a transaction: it names others' events, never their ports."""
    house.append(
        "modules/payment/handlers.py",
        """\
        from modules.orders.contract import Orders
        ASKED = Orders
        """,
    )

    place = _found(house, "rooms", "handlers of payment name orders.Orders")

    assert place == "modules/payment/handlers.py:5"


def test_circle_of_calls(house: House) -> None:
    """Two modules that call each other wait for each other."""
    house.replace(PAYMENT, "publishes=", "calls=(Orders,),\n    publishes=")
    house.replace(PAYMENT, "import OrderConfirmed", "import OrderConfirmed, Orders")
    house.write(
        "modules/payment/tasks.py",
        """\
        from modules.orders.contract import Orders
        from modules.platform.binding import use
        def ask():
            return use(Orders)
        """,
    )

    place = _found(house, "call-cycle", "in a circle: orders -> payment -> orders")

    assert place == f"{ORDERS}:9"
