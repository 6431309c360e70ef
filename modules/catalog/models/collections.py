"""Collections: products put together for shoppers, by hand or by a rule. Some dozens."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from modules.catalog.domain import CollectionKind
from modules.catalog.models.products import Product
from modules.platform.rest.identifiers import new_id


class Collection(models.Model):
    """``rule`` is a ``domain.Rule`` as JSON and empty for manual ones."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    kind = models.CharField(
        max_length=8,
        choices=[(k.value, k.value) for k in CollectionKind],
        default=CollectionKind.MANUAL.value,
    )
    rule = models.JSONField(default=dict, blank=True)
    visible = models.BooleanField(default=True)
    position = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="manual", rule={}) | (Q(kind="rule") & ~Q(rule={})),
                name="catalog_collection_rule",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CollectionItem(models.Model):
    """One product in a manual collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="collection_items")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "product"], name="catalog_collection_item"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} in {self.collection}"
