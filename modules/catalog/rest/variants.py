"""SKUs and pictures of a product over HTTP. ETags are the product's."""

from __future__ import annotations

from uuid import UUID

from modules.catalog.contract import (
    AttributeInvalid,
    CurrenciesMixed,
    MediaNotFound,
    MediaRefused,
    NotPublishable,
    ProductNotFound,
    SkuTaken,
    VariantNotFound,
)
from modules.catalog.rest.answers import ProductShown
from modules.catalog.rest.bodies import MediaBody, MediaChanges, VariantBody, VariantChanges
from modules.catalog.rest.products import WRITE, answer, new_variant
from modules.catalog.rest.references import changes_of, now
from modules.catalog.service import media, variants
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.requests import ApiRequest


class VariantsView(ApiView):
    """The SKUs of a product."""

    @operation(
        "Add a variant",
        body=VariantBody,
        returns={201: ProductShown},
        errors=(ProductNotFound, SkuTaken, NotPublishable, CurrenciesMixed, AttributeInvalid),
        access=WRITE,
        if_match="optional",
    )
    def post(self, request: ApiRequest, *, product_id: UUID, body: VariantBody) -> Answer:
        variants.add_variant(
            product_id=product_id,
            new=new_variant(body),
            now=now(),
            expected_version=request.expected_version,
            by=request.actor.label,
        )
        return answer(product_id, status=201)


class VariantView(ApiView):
    """One SKU."""

    @operation(
        "Change a variant",
        description="A new price is kept with its period and told to the other modules.",
        body=VariantChanges,
        returns=ProductShown,
        errors=(ProductNotFound, VariantNotFound, CurrenciesMixed, AttributeInvalid),
        access=WRITE,
        if_match="required",
    )
    def patch(
        self, request: ApiRequest, *, product_id: UUID, sku: str, body: VariantChanges
    ) -> Answer:
        changes = changes_of(body)
        if "price" in changes:
            changes["price"] = changes["price"].money()
        variants.change_variant(
            product_id=product_id,
            sku=sku,
            changes=changes,
            now=now(),
            expected_version=request.expected_version,
            by=request.actor.label,
        )
        return answer(product_id)

    @operation(
        "Remove a variant",
        returns=ProductShown,
        errors=(ProductNotFound, VariantNotFound, NotPublishable),
        access=WRITE,
        if_match="required",
    )
    def delete(self, request: ApiRequest, *, product_id: UUID, sku: str) -> Answer:
        variants.remove_variant(
            product_id=product_id, sku=sku, now=now(), expected_version=request.expected_version
        )
        return answer(product_id)


class MediaListView(ApiView):
    """The pictures and films of a product."""

    @operation(
        "Add a picture by its address",
        description="Files are uploaded in the admin.",
        body=MediaBody,
        returns={201: ProductShown},
        errors=(ProductNotFound, MediaRefused),
        access=WRITE,
        if_match="optional",
    )
    def post(self, request: ApiRequest, *, product_id: UUID, body: MediaBody) -> Answer:
        media.add_media(
            product_id=product_id,
            url=body.url,
            alt=body.alt,
            now=now(),
            expected_version=request.expected_version,
        )
        return answer(product_id, status=201)


class MediaView(ApiView):
    """One picture or film."""

    @operation(
        "Change a picture's words or place",
        body=MediaChanges,
        returns=ProductShown,
        errors=(ProductNotFound, MediaNotFound),
        access=WRITE,
        if_match="required",
    )
    def patch(
        self, request: ApiRequest, *, product_id: UUID, media_id: UUID, body: MediaChanges
    ) -> Answer:
        media.change_media(
            product_id=product_id,
            media_id=media_id,
            alt=body.alt,
            position=body.position,
            now=now(),
            expected_version=request.expected_version,
        )
        return answer(product_id)

    @operation(
        "Remove a picture",
        returns=ProductShown,
        errors=(ProductNotFound, MediaNotFound),
        access=WRITE,
        if_match="required",
    )
    def delete(self, request: ApiRequest, *, product_id: UUID, media_id: UUID) -> Answer:
        media.remove_media(
            product_id=product_id,
            media_id=media_id,
            now=now(),
            expected_version=request.expected_version,
        )
        return answer(product_id)
