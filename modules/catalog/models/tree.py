"""Where products stand and how they are taxed. Categories: some hundreds."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from modules.platform.rest.identifiers import new_id


class Category(models.Model):
    """A node of the category tree, as a materialized path.

    ``path`` is the parent's path and a step of four characters, ordered by code point: the
    subtree of a node is one range of the unique index, ``[path, path || '~')``. It is kept by
    ``service.categories`` (django-treebeard opens its transactions on the default database,
    which here is another module's).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0, help_text="Order among its siblings.")
    path = models.CharField(max_length=64, unique=True, db_collation="C", editable=False)
    depth = models.PositiveSmallIntegerField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        verbose_name_plural = "categories"
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "name"], nulls_distinct=False, name="catalog_category_sibling"
            ),
            models.CheckConstraint(
                condition=Q(depth__gte=1, depth__lte=10), name="catalog_category_depth"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TaxClass(models.Model):
    """A tax rate that products share. ``basis_points``: hundredths of a percent in the price."""

    code = models.SlugField(max_length=32, primary_key=True)
    name = models.CharField(max_length=64)
    basis_points = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "tax classes"
        constraints = [
            models.CheckConstraint(condition=Q(basis_points__lte=10_000), name="catalog_tax_rate"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.basis_points / 100:g} %)"
