"""What is for sale: products, their SKUs, what these cost and cost before, pictures."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from modules.catalog.domain import MAX_AMOUNT, AttributeType, ProductStatus
from modules.catalog.models.tree import Category, TaxClass
from modules.platform.rest.identifiers import new_id


class AttributeDefinition(models.Model):
    """What products and variants may say of themselves. Values stand in their ``attributes``."""

    code = models.SlugField(max_length=64, primary_key=True)
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=16, choices=[(t.value, t.value) for t in AttributeType])
    unit = models.CharField(max_length=16, blank=True)
    options = ArrayField(models.CharField(max_length=100), default=list, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(type="enum") | Q(options__len__gte=1),
                name="catalog_attribute_options",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Product(models.Model):
    """One product. Lists read this table alone, so it carries a summary of its variants:

    ``price_amount`` is the lowest price in minor units, ``skus`` are all of them, ``image_url``
    is the first picture; ``service.products`` keeps them true. ``listed_at`` is when it first
    went on sale (until then: when it was made).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    brand = models.CharField(max_length=100, blank=True)
    category = models.ForeignKey(
        Category, null=True, blank=True, on_delete=models.PROTECT, related_name="products"
    )
    tax_class = models.ForeignKey(TaxClass, on_delete=models.PROTECT, default="standard")
    attributes = models.JSONField(default=dict, blank=True)
    status = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in ProductStatus],
        default=ProductStatus.DRAFT.value,
    )
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    listed_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    price_amount = models.BigIntegerField(default=0, editable=False)
    price_currency = models.CharField(max_length=3, default="", editable=False)
    skus = ArrayField(models.CharField(max_length=64), default=list, editable=False)
    image_url = models.CharField(max_length=1000, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in ProductStatus]),
                name="catalog_product_status",
            ),
            models.CheckConstraint(
                condition=~Q(status="published") | Q(skus__len__gte=1),
                name="catalog_product_published_has_sku",
            ),
        ]
        indexes = [
            models.Index(
                F("status"), F("listed_at").desc(), F("id").desc(), name="catalog_product_newest"
            ),
            models.Index(fields=["status", "price_amount", "id"], name="catalog_product_price"),
            models.Index(fields=["status", "name", "id"], name="catalog_product_name"),
            models.Index(
                F("category"), F("listed_at").desc(), F("id").desc(), name="catalog_product_place"
            ),
            models.Index(fields=["brand", "status"], name="catalog_product_brand"),
            GinIndex(
                fields=["attributes"], opclasses=["jsonb_path_ops"], name="catalog_product_attrs"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Variant(models.Model):
    """One SKU of a product. Prices are in minor units and include tax."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="variants")
    sku = models.CharField(max_length=64, unique=True)
    name = models.CharField(
        max_length=100, blank=True, help_text="Only where a product has several."
    )
    price_amount = models.BigIntegerField(help_text="In minor units: 1999 is 19.99.")
    price_currency = models.CharField(max_length=3)
    weight_grams = models.PositiveIntegerField(default=0)
    max_per_order = models.PositiveIntegerField(default=0, help_text="0: no limit.")
    attributes = models.JSONField(default=dict, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(price_amount__gte=0, price_amount__lte=MAX_AMOUNT),
                name="catalog_variant_price",
            ),
            models.CheckConstraint(
                condition=Q(price_currency__regex=r"^[A-Z]{3}$"), name="catalog_variant_currency"
            ),
        ]

    def __str__(self) -> str:
        return self.sku


class PriceRow(models.Model):
    """What a SKU cost and when: from ``valid_from`` until ``valid_to`` (null: still)."""

    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="prices")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "price"
        indexes = [models.Index(fields=["variant", "valid_from"], name="catalog_price_history")]
        constraints = [
            models.UniqueConstraint(
                fields=["variant"], condition=Q(valid_to=None), name="catalog_price_current"
            ),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="catalog_price_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} from {self.valid_from:%Y-%m-%d}"


class Media(models.Model):
    """A picture or film of a product: a file of ours, or another's address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="media")
    url = models.URLField(max_length=1000, blank=True)
    file = models.FileField(upload_to="catalog/%Y/%m", max_length=300, blank=True)
    alt = models.CharField(max_length=300, blank=True, help_text="What it shows, in words.")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        verbose_name_plural = "media"
        constraints = [
            models.CheckConstraint(
                condition=(Q(url="") & ~Q(file="")) | (~Q(url="") & Q(file="")),
                name="catalog_media_one_source",
            ),
        ]

    def address(self) -> str:
        """Where a browser finds it."""
        return self.url or str(self.file.url)

    def __str__(self) -> str:
        return self.alt or self.address()

    def save(self, *args: Any, **kwargs: Any) -> None:
        # FileField stores NULL-ish values as None from forms; the CHECK compares with ''.
        self.url = self.url or ""
        super().save(*args, **kwargs)
