"""Collections: put together by hand, or by a rule."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import TabularInline

from modules.catalog.admin.editing import EditingAdmin, adopt, changes
from modules.catalog.contract import RuleInvalid
from modules.catalog.domain import CollectionKind, Rule
from modules.catalog.models import Collection, CollectionItem
from modules.catalog.service import collections
from modules.platform.contracts.codec import convert

_FIELDS = ("name", "slug", "description", "visible", "position")


class CollectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A collection; a rule is JSON such as ``{"category": "food", "price_lte": 500}``."""

    slug = forms.SlugField(required=False, max_length=200)

    class Meta:
        model = Collection
        fields = (*_FIELDS, "rule")

    def clean_rule(self) -> dict[str, Any]:
        given = self.cleaned_data["rule"]
        if not given:
            return {}
        try:
            rule = convert(given, Rule)
            return collections.stored_rule(rule)
        except (msgspec.ValidationError, RuleInvalid) as error:
            raise ValidationError(str(error)) from error

    def rule_given(self) -> Rule | None:
        rule = self.cleaned_data["rule"]
        return convert(rule, Rule) if rule else None


class ItemInline(TabularInline):
    """The products of a manual collection, in order of their positions."""

    model = CollectionItem
    extra = 0
    autocomplete_fields = ("product",)


@admin.register(Collection)
class CollectionAdmin(EditingAdmin):
    """What shoppers see put together."""

    form = CollectionForm
    list_display = ("name", "slug", "kind", "visible", "position")
    list_filter = ("kind", "visible")
    search_fields = ("^name", "^slug")

    def get_inlines(self, request: HttpRequest, obj: Collection | None) -> list[Any]:
        by_rule = obj is not None and obj.kind == CollectionKind.RULE
        return [] if by_rule else [ItemInline]

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:
        if not change:
            given = {name: form.cleaned_data[name] for name in _FIELDS}
            adopt(obj, collections.create_collection(**given, rule=form.rule_given()))
            return
        given = changes(form, _FIELDS)
        if not given.get("slug", "-"):
            del given["slug"]
        if "rule" in form.changed_data:
            given["rule"] = form.rule_given() or Rule()
        adopt(obj, collections.change_collection(collection_id=obj.pk, changes=given))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)  # fills what Django's log message is made of
        kept = [each for each in formset.forms if each not in formset.deleted_forms]
        rows = [each.cleaned_data for each in kept if each.cleaned_data.get("product")]
        rows.sort(key=lambda row: row["position"])
        if formset.has_changed():
            collections.set_products(
                collection_id=form.instance.pk, product_ids=[row["product"].id for row in rows]
            )

    def delete_model(self, request: HttpRequest, obj: Collection) -> None:
        collections.remove_collection(collection_id=obj.pk)
