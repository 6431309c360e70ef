"""What operators are asked before stock is changed: a quantity, a count, a warehouse."""

from __future__ import annotations

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from modules.inventory.domain import MAX_QUANTITY
from modules.inventory.models import Warehouse
from modules.platform.backoffice.forms import KeyedForm


class AdjustForm(KeyedForm):
    """By how much, and why."""

    delta = forms.IntegerField(
        label="Difference",
        min_value=-MAX_QUANTITY,
        max_value=MAX_QUANTITY,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    field_order = ("delta", "reason")


class CountForm(KeyedForm):
    """How many there are, and why they were counted."""

    counted = forms.IntegerField(
        min_value=0, max_value=MAX_QUANTITY, widget=UnfoldAdminIntegerFieldWidget
    )
    field_order = ("counted", "reason")


class TransferForm(KeyedForm):
    """How many, where to, and why."""

    quantity = forms.IntegerField(
        min_value=1, max_value=MAX_QUANTITY, widget=UnfoldAdminIntegerFieldWidget
    )
    target = forms.ModelChoiceField(
        Warehouse.objects.all(), label="To", widget=UnfoldAdminSelectWidget
    )
    field_order = ("quantity", "target", "reason")
