"""What operators are asked before a parcel goes: a tracking number, lines."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from modules.platform.backoffice.forms import ReasonForm
from modules.shipping.contract import ShipmentLine


class LinesField(forms.CharField):
    """``SKU quantity`` per line, as shipment lines."""

    def to_python(self, value: Any) -> Any:
        return tuple(_line(text) for text in str(value or "").splitlines() if text.strip())

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError("Name at least one line.")

    def run_validators(self, value: Any) -> None:
        """Each line was checked when it was read."""


class DispatchForm(ReasonForm):
    """Under which number, and why now."""

    tracking_number = forms.CharField(
        max_length=80, required=False, widget=UnfoldAdminTextInputWidget
    )
    lines = LinesField(
        label="Only these lines (SKU quantity); empty for all",
        required=False,
        widget=UnfoldAdminTextareaWidget,
    )
    field_order = ("tracking_number", "lines", "reason")


class SplitForm(ReasonForm):
    """What is to be sent apart."""

    lines = LinesField(label="Lines (SKU quantity)", widget=UnfoldAdminTextareaWidget)
    field_order = ("lines", "reason")


def _line(text: str) -> ShipmentLine:
    sku, _, quantity = text.strip().rpartition(" ")
    if not sku or not quantity.isascii() or not quantity.isdigit() or not 0 < len(quantity) < 10:
        raise forms.ValidationError(f"{text!r} is not a SKU and a quantity.")
    if int(quantity) < 1:
        raise forms.ValidationError(f"{text!r}: at least 1.")
    return ShipmentLine(sku=sku.strip(), name="", quantity=int(quantity))
