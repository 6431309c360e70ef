"""The port ``Accounts``, by every way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from modules.accounts import address_book, api_keys
from modules.accounts.contract import Accounts, UnknownApiKey
from modules.accounts.keys import ring
from modules.accounts.models import User
from modules.accounts.service import AccountsService
from modules.platform.binding import use
from modules.platform.contracts import SYSTEM, PostalAddress
from tests.contracts.ways import Way

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def accounts(way: Way, settings: Any, tmp_path: Path) -> Iterator[Accounts]:
    settings.SIGNING_KEYS_DIR = tmp_path / "keys"
    api_keys.forget_cached()
    with way(Accounts, AccountsService()):
        yield use(Accounts)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.com", "x", full_name="Ada", locale="de-AT")


def test_customers_that_exist_are_returned(accounts: Accounts, ada: User) -> None:
    """Unknown ids are left out, not errors."""
    (found,) = accounts.customers(ids=(ada.pk, uuid4()))
    assert (found.id, found.email, found.locale) == (ada.pk, "ada@example.com", "de-AT")
    assert found.created_at == ada.created_at
    assert not found.email_verified
    assert accounts.customers(ids=()) == ()


def test_addresses_come_defaults_first(accounts: Accounts, ada: User) -> None:
    """As the customer keeps them."""
    address = PostalAddress(name="Ada", line1="1 Main St", city="Wien", country="AT")
    for label, default in (("work", False), ("home", True), ("mum", False)):
        entry = address_book.Entry(address=address, label=label, default_shipping=default)
        address_book.add(user_id=ada.pk, entry=entry)
    found = accounts.addresses(customer_id=ada.pk)
    assert [each.label for each in found] == ["home", "mum", "work"]
    assert found[0].address == address
    assert accounts.addresses(customer_id=uuid4()) == ()


def test_a_key_is_verified_or_refused(accounts: Accounts) -> None:
    """The error is the same class on either way."""
    row, text = api_keys.create(
        label="till", scopes=frozenset({"orders:read"}), expires_at=None, creator=SYSTEM
    )
    known = accounts.verify_api_key(key=text)
    assert (known.id, known.label, known.scopes) == (row.pk, "till", {"orders:read"})
    with pytest.raises(UnknownApiKey):
        accounts.verify_api_key(key="fk_12345678_" + "x" * 43)


def test_public_keys_are_those_that_verify(accounts: Accounts) -> None:
    """Newest first."""
    ring().signing()
    newest = ring().rotate()
    found = accounts.public_keys()
    assert len(found) == 2
    assert (found[0].kid, found[0].x) == (newest.kid, newest.x)
