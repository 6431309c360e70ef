"""Addresses under ``/api/v1/catalog``."""

from django.urls import path

from modules.catalog.rest import answers  # noqa: F401  registers the ids' path converters
from modules.catalog.rest.collections import (
    CollectionProductsView,
    CollectionsView,
    CollectionView,
)
from modules.catalog.rest.products import ProductsView, ProductView, PublishView, UnpublishView
from modules.catalog.rest.transfer import ExportView, ImportsView
from modules.catalog.rest.tree import (
    AttributesView,
    AttributeView,
    BrandsView,
    CategoriesView,
    CategoryView,
)
from modules.catalog.rest.variants import MediaListView, MediaView, VariantsView, VariantView

urlpatterns = [
    path("/products", ProductsView.as_view()),
    path("/products/<prd:product_id>", ProductView.as_view()),
    path("/products/<prd:product_id>/publish", PublishView.as_view()),
    path("/products/<prd:product_id>/unpublish", UnpublishView.as_view()),
    path("/products/<prd:product_id>/variants", VariantsView.as_view()),
    path("/products/<prd:product_id>/variants/<str:sku>", VariantView.as_view()),
    path("/products/<prd:product_id>/media", MediaListView.as_view()),
    path("/products/<prd:product_id>/media/<med:media_id>", MediaView.as_view()),
    path("/categories", CategoriesView.as_view()),
    path("/categories/<cat:category_id>", CategoryView.as_view()),
    path("/collections", CollectionsView.as_view()),
    path("/collections/<col:collection_id>", CollectionView.as_view()),
    path("/collections/<col:collection_id>/products", CollectionProductsView.as_view()),
    path("/brands", BrandsView.as_view()),
    path("/attributes", AttributesView.as_view()),
    path("/attributes/<slug:code>", AttributeView.as_view()),
    path("/imports", ImportsView.as_view()),
    path("/export", ExportView.as_view()),
]
