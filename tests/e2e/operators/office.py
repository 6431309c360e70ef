"""Where operators work: the town with payment's pages here or there, its staff, some payments."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.conninfo import make_conninfo

from modules.platform.keys import KeyRing
from modules.platform.operators.tokens import ON_ITS_WAY, Pass, issue
from tests.e2e.operators.browser import PASSWORD, Operator
from tests.e2e.shopper import Shopper, expect
from tests.e2e.town import Town
from tests.waiting import eventually

STAFF = {
    "boss": (),
    "manager": ("notification-manager", "payment-manager"),
    "viewer": ("payment-viewer",),
    "stranger": ("orders-viewer",),
    "newcomer": ("orders-viewer",),
    "leaver": ("payment-manager",),
}
ORDERS = 5
# API keys by label, with their scopes.
KEYS = {"till": ("payment:read",), "lost": ("payment:read",)}
PAGE = "/admin/payment/payment/"
FILES = "/admin/payment/static/"  # what a page of payment's own host is made with
HIRE = f"""
import json
from django.contrib.auth.models import Group
from modules.accounts.api_keys import create
from modules.accounts.models import User
from modules.platform.contracts import SYSTEM
for name, roles in {STAFF!r}.items():
    user = User.objects.create_user(
        name + "@office.example", {PASSWORD!r}, is_staff=True, is_superuser=not roles)
    user.groups.set(Group.objects.filter(name__in=roles))
keys = {{}}
for label, scopes in {KEYS!r}.items():
    row, keys[label] = create(
        label=label, scopes=frozenset(scopes), expires_at=None, creator=SYSTEM)
print(json.dumps(keys))
"""


class Office:
    """One for all tests of operators. ``keys`` are API keys by label."""

    def __init__(self, town: Town) -> None:
        self.town, self.shop = town, town.shop
        self.base = town.shop.base
        said = self.shop.manage("shell", "-v", "0", "-c", HIRE).stdout
        self.keys: dict[str, str] = json.loads(said.strip().splitlines()[-1])
        self.orders = [self._order() for _ in range(ORDERS)]
        self._browsers: list[Operator] = []
        self._signed_in: dict[str, dict[str, str]] = {}

    def _order(self) -> str:
        """The number of an order that was paid for."""
        shopper = Shopper(self.shop.http)
        order = expect(shopper.buy("E2E-5"), 201)
        paid = lambda: shopper.look(order["id"])["state"] == "captured"  # noqa: E731
        eventually(paid, within=60, what="capture of the order")
        return str(order["number"])

    def another_payment(self) -> int:
        """One more is paid for, the newest of all; its number for ``payment``."""
        self.orders.append(self._order())
        return len(self.orders) - 1

    def close(self) -> None:
        """Close all browsers."""
        for one in self._browsers:
            one.browser.close()
        self._browsers.clear()

    def place(self, percent: int) -> None:
        """Give so much of payment's work to its own host."""
        self.town.place("payment", percent)

    # ---------------------------------------------------------------- staff

    def somebody(self, name: str = "nobody") -> Operator:
        """With an empty browser."""
        one = Operator(self.base, f"{name}@office.example")
        self._browsers.append(one)
        return one

    def signed_in(self, name: str, *, anew: bool = False) -> Operator:
        """Signed in at the shop, and known nowhere else; ``anew`` with a session of their own."""
        one = self.somebody(name)
        if anew or name not in self._signed_in:
            assert one.sign_in().status_code == 200
            if not anew:
                self._signed_in[name] = one.cookies()
        else:
            for cookie, value in self._signed_in[name].items():
                one.put(cookie, value)
        return one

    def bearing(self, token: str) -> Operator:
        """Somebody who has a pass for payment, and has signed in nowhere."""
        one = self.somebody()
        one.put("payment_pass", token, path="/admin/payment/")
        return one

    def made(self, *, age: float = 0, host: str = "payment", forged: bool = False) -> str:
        """A pass of the shop's, and what may be wrong with it; for one who may do everything."""
        key = KeyRing(self.shop.home / "keys").signing()
        if forged:
            key = dataclasses.replace(KeyRing(self.shop.home / "strange").signing(), kid=key.kid)
        now = datetime.now(UTC) - timedelta(seconds=age)
        given = Pass(id=uuid4(), label="thief", superuser=True, until=now + timedelta(hours=1))
        issuer = f"http://localhost:{self.shop.ports['PROXY']}"
        return issue(given, issuer=issuer, host=host, key=key, now=now, life=ON_ITS_WAY)

    # ---------------------------------------------------------------- what changes at the shop

    def give_role(self, name: str, role: str) -> None:
        self._at_shop(
            "INSERT INTO accounts_user_groups (user_id, group_id) SELECT u.id, g.id "
            "FROM accounts_user u, auth_group g WHERE u.email = %s AND g.name = %s",
            f"{name}@office.example",
            role,
        )

    def take_role(self, name: str, role: str) -> None:
        self._at_shop(
            "DELETE FROM accounts_user_groups USING accounts_user u, auth_group g "
            "WHERE user_id = u.id AND group_id = g.id AND u.email = %s AND g.name = %s",
            f"{name}@office.example",
            role,
        )

    def dismiss(self, name: str) -> None:
        """No staff any more."""
        changed = "UPDATE accounts_user SET is_staff = false WHERE email = %s"
        self._at_shop(changed, f"{name}@office.example")

    def revoke(self, label: str) -> None:
        """An API key."""
        self._at_shop("UPDATE accounts_apikey SET revoked_at = now() WHERE label = %s", label)

    def _at_shop(self, statement: str, *values: object) -> None:
        url = make_conninfo(self.shop.database_url, options="-c search_path=accounts")
        with psycopg.connect(url) as connection:
            assert connection.execute(statement.encode(), values).rowcount == 1

    # ---------------------------------------------------------------- payment's books

    def payment(self, number: int) -> tuple[str, str]:
        """The id and state of one of the orders' payment."""
        ((row, state),) = self.shop.query(
            "SELECT p.id::text, p.state FROM payment.payment_payment p "
            "JOIN orders.orders_order o ON o.id = p.order_id WHERE o.number = %s",
            self.orders[number],
        )
        return row, state

    def run_out(self) -> None:
        """Passes that were given until now have run out."""
        before = "UPDATE operators_operator SET permitted_until = now() - interval '1 second'"
        self.at_host(f"{before} RETURNING 1")

    def logged(self, row: str, *, there: bool) -> list[tuple[Any, ...]]:
        """Who did what with a payment, by the admin's log of one side."""
        if there:
            return self.at_host(
                "SELECT o.label, l.change_message FROM django_admin_log l "
                "JOIN operators_operator o ON o.id = l.user_id WHERE l.object_id = %s",
                row,
            )
        return self.shop.query(
            "SELECT u.email, l.change_message FROM accounts.django_admin_log l "
            "JOIN accounts.accounts_user u ON u.id = l.user_id WHERE l.object_id = %s",
            row,
        )

    def at_host(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the host's own database: operators, the admin's log."""
        url = make_conninfo(
            self.shop.database_url,
            dbname=f"{self.shop.name}_payment",
            options="-c search_path=host",
        )
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def log_of(self, process: str) -> list[str]:
        """The process's log by lines, without colours."""
        text = (self.shop.home / f"{process}.log").read_text(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def is_there(page: httpx.Response) -> bool:
    """Whether payment's own host made the page."""
    return FILES in page.text
