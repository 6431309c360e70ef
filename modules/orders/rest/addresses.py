"""Addresses as clients send them, checked: a real country, a phone number that can be dialled."""

from __future__ import annotations

from typing import Annotated

import msgspec
import phonenumbers
from django_countries import countries

from modules.platform.contracts import PostalAddress
from modules.platform.rest.problems import Problem

Line = Annotated[str, msgspec.Meta(max_length=200)]
FilledLine = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class AddressBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A postal address. ``country`` is ISO 3166-1 alpha-2; ``phone`` may be national."""

    name: FilledLine
    line1: FilledLine
    city: FilledLine
    country: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2}$")]
    line2: Line = ""
    postal_code: Annotated[str, msgspec.Meta(max_length=20)] = ""
    region: Line = ""
    company: Line = ""
    phone: Annotated[str, msgspec.Meta(max_length=40)] = ""


def postal_address(body: AddressBody, *, pointer: str) -> PostalAddress:
    """The address as modules pass it on. Raises Problem 422 at ``pointer``."""
    country = body.country.upper()
    if country not in countries:
        raise Problem.invalid(f"{pointer}/country", f"{country} is not a country", code="country")
    return PostalAddress(
        name=body.name,
        line1=body.line1,
        line2=body.line2,
        city=body.city,
        postal_code=body.postal_code,
        region=body.region,
        country=country,
        company=body.company,
        phone=_e164(body.phone, country, pointer),
    )


def optional_address(body: AddressBody | None, *, pointer: str) -> PostalAddress | None:
    """The address, if there is one. Raises Problem 422 at ``pointer``."""
    return None if body is None else postal_address(body, pointer=pointer)


def _e164(text: str, country: str, pointer: str) -> str:
    if not text.strip():
        return ""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        raise _bad_phone(pointer) from error
    if not phonenumbers.is_possible_number(number):
        raise _bad_phone(pointer)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _bad_phone(pointer: str) -> Problem:
    return Problem.invalid(f"{pointer}/phone", "is not a phone number", code="phone")
