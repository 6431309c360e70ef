"""Categories, attributes and tax classes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from modules.catalog.admin.editing import EditingAdmin, adopt, changes, now
from modules.catalog.domain import AttributeType
from modules.catalog.models import AttributeDefinition, Category, TaxClass
from modules.catalog.service import attributes, categories
from modules.platform.backoffice.admin import ModuleAdmin


class CategoryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A category and where it stands. An empty slug is made from the names above it."""

    slug = forms.SlugField(required=False, max_length=200)

    class Meta:
        model = Category
        fields = ("name", "slug", "parent", "description", "position")

    def clean_parent(self) -> Category | None:
        parent: Category | None = self.cleaned_data["parent"]
        path = self.instance.path
        if parent is not None and path and parent.path.startswith(path):
            raise ValidationError("A category cannot stand below itself.")
        return parent


@admin.register(Category)
class CategoryAdmin(EditingAdmin):
    """The tree, indented; moving a category moves all that is below it."""

    form = CategoryForm
    list_display = ("in_tree", "slug", "position")
    search_fields = ("^name", "^slug")
    autocomplete_fields = ("parent",)
    ordering = ("path",)
    list_per_page = 500

    @admin.display(description="category")
    def in_tree(self, row: Category) -> SafeString:
        return format_html(
            '<span style="padding-left:{}em">{}</span>', (row.depth - 1) * 2, row.name
        )

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in ("name", "description", "position")}
        if not change:
            made = categories.create_category(
                **given, slug=form.cleaned_data["slug"], parent_id=obj.parent_id
            )
        else:
            given = changes(form, ("name", "slug", "description", "position"))
            if not given.get("slug", "-"):
                del given["slug"]
            if "parent" in form.changed_data:
                given["parent_id"] = obj.parent_id
            made = categories.change_category(category_id=obj.pk, changes=given, now=now())
        adopt(obj, made)

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        categories.remove_category(category_id=obj.pk)


class AttributeForm(forms.ModelForm):  # type: ignore[type-arg]
    """An attribute; options are for type ``enum``."""

    class Meta:
        model = AttributeDefinition
        fields = ("code", "name", "type", "unit", "options")


@admin.register(AttributeDefinition)
class AttributeAdmin(EditingAdmin):
    """What products may say of themselves."""

    form = AttributeForm
    list_display = ("code", "name", "type", "unit")
    search_fields = ("^code", "^name")

    def get_readonly_fields(
        self, request: HttpRequest, obj: AttributeDefinition | None = None
    ) -> tuple[str, ...]:
        return ("code", "type") if obj is not None else ()

    def save_model(
        self, request: HttpRequest, obj: AttributeDefinition, form: Any, change: bool
    ) -> None:
        if change:
            given = changes(form, ("name", "unit", "options"))
            adopt(obj, attributes.change_attribute(code=obj.code, changes=given))
            return
        made = attributes.define_attribute(
            code=obj.code,
            name=obj.name,
            type=AttributeType(obj.type),
            unit=obj.unit,
            options=obj.options or [],
        )
        adopt(obj, made)

    def delete_model(self, request: HttpRequest, obj: AttributeDefinition) -> None:
        attributes.remove_attribute(code=obj.code)


@admin.register(TaxClass)
class TaxClassAdmin(ModuleAdmin):
    """Tax rates. Prices include tax, so a new rate changes no price."""

    editable = True
    list_display = ("code", "name", "basis_points")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("code",) if obj is not None else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxClass]:
        rows: QuerySet[TaxClass] = super().get_queryset(request)
        return rows.order_by("code")
