"""The address book, over HTTP."""

from __future__ import annotations

from uuid import UUID

import msgspec

from modules.accounts import address_book
from modules.accounts.contract import (
    AddressBookFull,
    AddressInvalid,
    AddressNotFound,
    CustomerNotFound,
)
from modules.accounts.rest import serializers as s
from modules.accounts.rest.identity import address_problems, own_id
from modules.platform.contracts import PostalAddress
from modules.platform.rest.access import signed_in
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page
from modules.platform.rest.requests import ApiRequest

NO_ACCOUNT = {403: "forbidden"}


class AddressesView(ApiView):
    """One's own address book."""

    @operation(
        "List one's own addresses, defaults first",
        returns=Page[s.SavedAddressView],
        access=signed_in(),
        problems=NO_ACCOUNT,
    )
    def get(self, request: ApiRequest) -> Page[s.SavedAddressView]:
        rows = address_book.listed(user_id=own_id(request))
        return Page(data=[s.address_of(row) for row in rows])

    @operation(
        "Add an address",
        body=s.AddressBody,
        returns={201: s.SavedAddressView},
        access=signed_in(),
        errors=(AddressInvalid, AddressBookFull, CustomerNotFound),
        problems=NO_ACCOUNT,
    )
    def post(self, request: ApiRequest, *, body: s.AddressBody) -> Answer:
        with address_problems():
            row = address_book.add(user_id=own_id(request), entry=_entry(body))
        return Answer(body=s.address_of(row), status=201, version=row.version)


class AddressView(ApiView):
    """One entry of the address book."""

    @operation(
        "Show an address",
        returns=s.SavedAddressView,
        access=signed_in(),
        etag=True,
        errors=(AddressNotFound,),
        problems=NO_ACCOUNT,
    )
    def get(self, request: ApiRequest, *, address_id: UUID) -> Answer:
        row = address_book.get(user_id=own_id(request), address_id=address_id)
        return Answer(body=s.address_of(row), version=row.version)

    @operation(
        "Replace an address",
        body=s.AddressBody,
        returns=s.SavedAddressView,
        access=signed_in(),
        if_match="required",
        errors=(AddressInvalid, AddressNotFound, CustomerNotFound),
        problems=NO_ACCOUNT,
    )
    def put(self, request: ApiRequest, *, address_id: UUID, body: s.AddressBody) -> Answer:
        with address_problems():
            row = address_book.change(
                user_id=own_id(request),
                address_id=address_id,
                entry=_entry(body),
                expected=request.expected_version,
            )
        return Answer(body=s.address_of(row), version=row.version)

    @operation(
        "Remove an address",
        access=signed_in(),
        if_match="optional",
        errors=(AddressNotFound, CustomerNotFound),
        problems=NO_ACCOUNT,
    )
    def delete(self, request: ApiRequest, *, address_id: UUID) -> None:
        address_book.remove(
            user_id=own_id(request), address_id=address_id, expected=request.expected_version
        )


def _entry(body: s.AddressBody) -> address_book.Entry:
    return address_book.Entry(
        address=PostalAddress(**msgspec.structs.asdict(body.address)),
        label=body.label,
        default_shipping=body.default_shipping,
        default_billing=body.default_billing,
    )
