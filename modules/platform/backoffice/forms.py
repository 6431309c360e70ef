"""What operators are asked before an action: always why, often more. For modules' ``forms.py``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.db.models import Model
from unfold.widgets import UnfoldAdminTextareaWidget


class ReasonForm(forms.Form):
    """Why an operator does it; kept in the audit log. Subclasses ask for more.

    ``field_order`` of a subclass puts its own fields before the reason.
    """

    reason = forms.CharField(
        label="Why?", min_length=3, max_length=500, widget=UnfoldAdminTextareaWidget
    )

    def given_for(self, row: Model) -> dict[str, Any]:
        """What the use case of ``row`` gets: the fields by name. For a valid form only."""
        return dict(self.cleaned_data)


class KeyedForm(ReasonForm):
    """For acts that would add up: each form shown has a token, so that sent twice it acts once.

    The use case gets ``key``, an idempotency key of one form and row (at most 107 characters).
    """

    token = forms.CharField(initial=uuid4, max_length=64, required=False, widget=forms.HiddenInput)

    def clean_token(self) -> str:
        return self.cleaned_data["token"] or str(uuid4())

    def given_for(self, row: Model) -> dict[str, Any]:
        given = super().given_for(row)
        token = given.pop("token")
        return given | {"key": f"admin:{token}:{row.pk}"}
