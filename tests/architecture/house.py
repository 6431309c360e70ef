"""A small project that keeps every rule, to plant violations in. Its code is never run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modules.platform.boundaries.checks import check_source
from modules.platform.boundaries.violations import Violation

FILES = {
    "modules/__init__.py": "",
    "modules/platform/__init__.py": "",
    "modules/platform/contracts/__init__.py": """\
        class Event: ...
        class Command: ...
        class ContractError(Exception): ...
        class Module: ...
        """,
    "modules/platform/contracts/codec.py": "import msgspec\n",
    "modules/platform/binding/__init__.py": "def use(port): ...\n",
    "modules/platform/messaging/__init__.py": "def publish(*events): ...\n",
    "modules/platform/resilience/__init__.py": "import random\n",
    "modules/extraction/__init__.py": "",
    "modules/extraction/plan.py": "from modules.payment.module import MODULE\n",
    "modules/extraction/phases.py": "import enum\n",
    "modules/extraction/guards.py": "from modules.extraction import phases\n",
    "shop/__init__.py": "",
    "shop/wiring.py": "from modules.platform.binding import use\n",
    "shop/settings/__init__.py": "",
    "shop/settings/base.py": "",
    "extracted/__init__.py": "",
    "extracted/payment/__init__.py": "",
    "extracted/payment/settings.py": """\
        from modules.orders.contract import OrderConfirmed
        from modules.payment.service import authorize
        """,
    "strangler_proxy/__init__.py": "",
    "strangler_proxy/routes.py": "import modules.platform.resilience\n",
    "modules/payment/__init__.py": "",
    "modules/payment/contract/__init__.py": """\
        from modules.payment.contract.commands import AuthorizePayment
        from modules.payment.contract.events import PaymentAuthorized
        from modules.payment.contract.port import Payment
        """,
    "modules/payment/contract/commands.py": """\
        from modules.platform.contracts import Command
        class AuthorizePayment(Command): ...
        """,
    "modules/payment/contract/events.py": """\
        from modules.platform.contracts import Event
        class PaymentAuthorized(Event): ...
        """,
    "modules/payment/contract/port.py": """\
        from typing import Protocol
        class Payment(Protocol): ...
        """,
    "modules/payment/module.py": """\
        from modules.orders.contract import OrderConfirmed
        from modules.payment.contract import Payment, PaymentAuthorized
        from modules.platform.contracts import Module
        MODULE = Module(
            name="payment",
            purpose="Take money.",
            owner="team-payments",
            port=Payment,
            publishes=(PaymentAuthorized,),
            consumes=(OrderConfirmed,),
            extractable=True,
        )
        """,
    "modules/payment/domain.py": "from modules.payment.contract import Payment\n",
    "modules/payment/models.py": "import django\nfrom modules.payment import domain\n",
    "modules/payment/service.py": """\
        from modules.payment.contract import PaymentAuthorized
        from modules.payment import models
        from modules.platform.messaging import publish
        def authorize():
            publish(PaymentAuthorized())
        """,
    "modules/payment/handlers.py": """\
        from modules.orders.contract import OrderConfirmed
        from modules.payment import service
        HANDLERS = {OrderConfirmed: [service.authorize]}
        """,
    "modules/orders/__init__.py": "",
    "modules/orders/contract/__init__.py": """\
        from modules.orders.contract.events import OrderConfirmed
        from modules.orders.contract.port import Orders
        """,
    "modules/orders/contract/events.py": """\
        from modules.platform import contracts
        class OrderConfirmed(contracts.Event): ...
        """,
    "modules/orders/contract/port.py": """\
        import typing
        class Orders(typing.Protocol): ...
        """,
    "modules/orders/module.py": """\
        from modules.orders.contract import OrderConfirmed, Orders
        from modules.payment.contract import Payment
        from modules.platform.contracts import Module
        MODULE = Module(
            name="orders",
            purpose="Sell.",
            owner="team-orders",
            port=Orders,
            calls=(Payment,),
            publishes=(OrderConfirmed,),
        )
        """,
    "modules/orders/sagas.py": """\
        from modules.orders.contract import OrderConfirmed
        from modules.payment.contract import AuthorizePayment, Payment
        from modules.platform.binding import use
        from modules.platform.messaging import publish
        def place():
            use(Payment).authorize(AuthorizePayment())
            publish(OrderConfirmed())
        """,
    "modules/orders/rest/__init__.py": "",
    "modules/orders/rest/views.py": "from modules.orders import sagas\n",
}


@dataclass(frozen=True)
class House:
    """The project below ``root``."""

    root: Path

    def write(self, path: str, text: str) -> None:
        """Write a file; the text's common indentation is taken off."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_dedented(text))

    def append(self, path: str, text: str) -> int:
        """Write behind what the file has; the line on which the text begins."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.read_text() if target.exists() else ""
        target.write_text(before + _dedented(text))
        return before.count("\n") + 1

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a file's text, which must have it."""
        target = self.root / path
        text = target.read_text()
        assert old in text, f"{path} does not have {old!r}"
        target.write_text(text.replace(old, new))

    def check(self) -> tuple[Violation, ...]:
        return check_source(self.root)


def build_house(root: Path) -> House:
    """A project without violations."""
    house = House(root)
    for path, text in FILES.items():
        house.write(path, text)
    return house


def _dedented(text: str) -> str:
    lines = text.rstrip().splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "".join(f"{line[margin:]}\n" for line in lines)
