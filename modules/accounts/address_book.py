"""Use cases of the address book. Addresses are checked: countries by ISO 3166, phones by E.164."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from uuid import UUID

import phonenumbers
from django.db.models import F
from django_countries import countries

from modules.accounts.contract import (
    AddressBookFull,
    AddressInvalid,
    AddressNotFound,
    CustomerNotFound,
)
from modules.accounts.domain import MAX_ADDRESSES
from modules.accounts.models import SavedAddressRow, User
from modules.platform.contracts import PostalAddress, StaleVersion
from modules.platform.databases import atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a customer wants to keep."""

    address: PostalAddress
    label: str = ""
    default_shipping: bool = False
    default_billing: bool = False


def checked(address: PostalAddress) -> PostalAddress:
    """The address with its phone as E.164. Raises AddressInvalid naming the field."""
    if address.country not in countries.countries:
        raise AddressInvalid(field="country", reason="is no ISO 3166-1 alpha-2 code")
    for field in ("name", "line1", "city"):
        if not getattr(address, field).strip():
            raise AddressInvalid(field=field, reason="is required")
    return replace(address, phone=_e164(address.phone, address.country))


def listed(*, user_id: UUID) -> list[SavedAddressRow]:
    """The entries, defaults first."""
    rows = SavedAddressRow.objects.filter(user_id=user_id)
    return list(rows.order_by("-default_shipping", "-default_billing", "-created_at"))


def get(*, user_id: UUID, address_id: UUID) -> SavedAddressRow:
    """One entry. Raises AddressNotFound."""
    row = SavedAddressRow.objects.filter(user_id=user_id, pk=address_id).first()
    if row is None:
        raise AddressNotFound(address_id=address_id)
    return row


def add(*, user_id: UUID, entry: Entry) -> SavedAddressRow:
    """Keep the entry. Raises AddressInvalid, AddressBookFull, CustomerNotFound."""
    address = checked(entry.address)
    with atomic("accounts"):
        _lock_book(user_id)
        if SavedAddressRow.objects.filter(user_id=user_id).count() >= MAX_ADDRESSES:
            raise AddressBookFull(limit=MAX_ADDRESSES)
        row = SavedAddressRow(user_id=user_id)
        _put(row, entry, address)
        row.save(force_insert=True)
    return row


def change(
    *, user_id: UUID, address_id: UUID, entry: Entry, expected: int | None
) -> SavedAddressRow:
    """Replace the entry. Raises AddressInvalid, AddressNotFound, StaleVersion."""
    address = checked(entry.address)
    with atomic("accounts"):
        _lock_book(user_id)
        row = get(user_id=user_id, address_id=address_id)
        _expect(row, expected)
        _put(row, entry, address)
        row.version += 1
        row.save()
    return row


def remove(*, user_id: UUID, address_id: UUID, expected: int | None) -> None:
    """Forget the entry. Raises AddressNotFound, StaleVersion."""
    with atomic("accounts"):
        _lock_book(user_id)
        row = get(user_id=user_id, address_id=address_id)
        _expect(row, expected)
        row.delete()


def _lock_book(user_id: UUID) -> None:
    # The owner's row stands for the whole book: defaults and the limit span its entries.
    if not list(User.objects.select_for_update().filter(pk=user_id).values_list("pk")):
        raise CustomerNotFound(customer_id=user_id)


def _expect(row: SavedAddressRow, expected: int | None) -> None:
    if expected is not None and expected != row.version:
        raise StaleVersion(expected=expected, actual=row.version)


def _put(row: SavedAddressRow, entry: Entry, address: PostalAddress) -> None:
    for field, value in asdict(address).items():
        setattr(row, field, value)
    row.label = entry.label
    others = SavedAddressRow.objects.filter(user_id=row.user_id).exclude(pk=row.pk)
    for default in ("default_shipping", "default_billing"):
        wanted = getattr(entry, default)
        setattr(row, default, wanted)
        if wanted:
            others.filter(**{default: True}).update(**{default: False, "version": F("version") + 1})


def _e164(phone: str, country: str) -> str:
    if not phone.strip():
        return ""
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException as error:
        raise AddressInvalid(field="phone", reason="is no phone number") from error
    if not phonenumbers.is_valid_number(number):
        raise AddressInvalid(field="phone", reason=f"is no phone number of {country}")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
