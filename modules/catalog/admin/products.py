"""Products with their SKUs and pictures on one page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import TabularInline

from modules.catalog.admin.editing import EditingAdmin, adopt, changes, now
from modules.catalog.contract import AttributeInvalid, MediaRefused
from modules.catalog.domain import CURRENCY, SKU, ProductStatus
from modules.catalog.models import Media, PriceRow, Product, Variant
from modules.catalog.service import media, products, variants
from modules.catalog.service.attributes import checked
from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.platform.contracts import Money

_TEXTS = ("name", "slug", "description", "brand", "attributes")


class AttributesForm(forms.ModelForm):  # type: ignore[type-arg]
    """Checks ``attributes`` against their definitions."""

    def clean_attributes(self) -> dict[str, Any]:
        try:
            return checked(self.cleaned_data.get("attributes") or {})
        except AttributeInvalid as error:
            raise ValidationError(str(error)) from error


class ProductForm(AttributesForm):
    """A product's texts. An empty slug is made from the name."""

    slug = forms.SlugField(required=False, max_length=200)

    class Meta:
        model = Product
        fields = ("name", "slug", "description", "brand", "category", "tax_class", "attributes")


class VariantForm(AttributesForm):
    """One SKU, whose code never changes once it is given."""

    class Meta:
        model = Variant
        fields = (
            "sku",
            "name",
            "price_amount",
            "price_currency",
            "weight_grams",
            "max_per_order",
            "attributes",
            "position",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["sku"].disabled = True

    def clean_sku(self) -> str:
        sku = str(self.cleaned_data["sku"])
        if not SKU.fullmatch(sku):
            raise ValidationError("1 to 64 letters, digits and . _ : + ~ -")
        return sku

    def clean_price_currency(self) -> str:
        currency = str(self.cleaned_data["price_currency"]).upper()
        if not CURRENCY.fullmatch(currency):
            raise ValidationError("An ISO 4217 code such as EUR.")
        return currency

    def price(self) -> Money:
        return Money(
            amount=self.cleaned_data["price_amount"], currency=self.cleaned_data["price_currency"]
        )

    def new_variant(self) -> variants.NewVariant:
        return variants.NewVariant(
            sku=self.cleaned_data["sku"],
            price=self.price(),
            name=self.cleaned_data["name"],
            weight_grams=self.cleaned_data["weight_grams"],
            max_per_order=self.cleaned_data["max_per_order"],
            attributes=self.cleaned_data["attributes"],
        )


class MediaForm(forms.ModelForm):  # type: ignore[type-arg]
    """A picture or film: a file, or an address elsewhere."""

    url = forms.URLField(required=False, max_length=1000, assume_scheme="https")

    class Meta:
        model = Media
        fields = ("file", "url", "alt", "position")

    def clean_file(self) -> Any:
        file = self.cleaned_data.get("file")
        if file and "file" in self.changed_data:
            try:
                media.ending_of(file)
            except MediaRefused as error:
                raise ValidationError(str(error)) from error
        return file


class VariantInline(TabularInline):
    """The SKUs; a new price is kept with its period and told to the other modules."""

    model = Variant
    form = VariantForm
    extra = 0


class MediaInline(TabularInline):
    """Pictures and films in their order."""

    model = Media
    form = MediaForm
    extra = 0


@admin.register(Product)
class ProductAdmin(EditingAdmin):
    """What is for sale."""

    form = ProductForm
    inlines = (VariantInline, MediaInline)
    list_display = ("name", "brand", "category", "status", "price", "sku_list", "updated_at")
    list_filter = ("status", "tax_class")
    list_select_related = ("category",)
    search_fields = ("^name", "=slug", "^brand", "=variants__sku")
    autocomplete_fields = ("category",)
    readonly_fields = ("status", "published_at", "version", "created_at", "updated_at")
    ordering = ("-listed_at", "-id")
    actions = ("publish", "withdraw", "archive")

    @admin.display(description="from")
    def price(self, row: Product) -> str:
        return str(Money(amount=row.price_amount, currency=row.price_currency or "USD"))

    @admin.display(description="SKUs")
    def sku_list(self, row: Product) -> str:
        return ", ".join(row.skus[:3]) + (" ..." if len(row.skus) > 3 else "")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # products are archived: orders refer to them

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        if change:
            given = changes(form, _TEXTS)
            if "category" in form.changed_data:
                given["category_id"] = obj.category_id
            if "tax_class" in form.changed_data:
                given["tax_class_id"] = obj.tax_class_id
            if given:
                adopt(obj, products.change_product(product_id=obj.pk, changes=given, now=now()))
            return
        new = products.NewProduct(
            **{name: form.cleaned_data[name] for name in _TEXTS},
            category_id=obj.category_id,
            tax_class_id=obj.tax_class.code,
        )
        adopt(obj, products.create_product(new, now=now(), by=str(request.user)))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)  # fills what Django's log message is made of
        save = _save_variant if formset.model is Variant else _save_media
        remove = _remove_variant if formset.model is Variant else _remove_media
        for each in formset.forms:
            if each in formset.deleted_forms:
                remove(form.instance, each)
            elif each.has_changed():
                save(form.instance, each, str(request.user))

    @use_case("Put on sale", permission="change")
    def publish(self, request: HttpRequest, row: Product, reason: str) -> str:
        products.publish_product(product_id=row.id, now=now())
        return "on sale"

    @use_case("Take off sale", permission="change")
    def withdraw(self, request: HttpRequest, row: Product, reason: str) -> str:
        products.withdraw_product(product_id=row.id, now=now())
        return "a draft again"

    @use_case("Archive", permission="change")
    def archive(self, request: HttpRequest, row: Product, reason: str) -> str:
        products.withdraw_product(product_id=row.id, now=now(), to=ProductStatus.ARCHIVED)
        return "archived"


def _save_variant(product: Product, form: VariantForm, by: str) -> None:
    if form.instance._state.adding:
        variants.add_variant(product_id=product.pk, new=form.new_variant(), now=now(), by=by)
        return
    fields = ("name", "weight_grams", "max_per_order", "attributes", "position")
    given = changes(form, fields)
    if {"price_amount", "price_currency"} & set(form.changed_data):
        given["price"] = form.price()
    variants.change_variant(
        product_id=product.pk, sku=form.initial["sku"], changes=given, now=now(), by=by
    )


def _remove_variant(product: Product, form: VariantForm) -> None:
    if not form.instance._state.adding:
        variants.remove_variant(product_id=product.pk, sku=form.initial["sku"], now=now())


def _save_media(product: Product, form: MediaForm, by: str) -> None:
    given = form.cleaned_data
    if form.instance._state.adding:
        media.add_media(
            product_id=product.pk,
            url=given["url"] or "",
            file=given["file"] or None,
            alt=given["alt"],
            now=now(),
        )
        return
    media.change_media(
        product_id=product.pk,
        media_id=form.instance.pk,
        alt=given["alt"],
        position=given["position"],
        now=now(),
    )


def _remove_media(product: Product, form: MediaForm) -> None:
    if not form.instance._state.adding:
        media.remove_media(product_id=product.pk, media_id=form.instance.pk, now=now())


class PriceInline(ReadOnlyInline):
    """What the SKU cost and when."""

    model = PriceRow
    fields = ("amount", "currency", "valid_from", "valid_to", "changed_by")
    ordering = ("-valid_from",)


@admin.register(Variant)
class VariantAdmin(ModuleAdmin):
    """SKUs with the history of their prices; they are edited on their product's page."""

    list_display = ("sku", "product", "name", "price_amount", "price_currency")
    list_select_related = ("product",)
    search_fields = ("^sku",)
    inlines = (PriceInline,)
