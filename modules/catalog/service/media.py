"""Pictures and films of products: uploaded files, or addresses elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.core.files.base import File

from modules.catalog.contract import MediaNotFound, MediaRefused
from modules.catalog.models import Media
from modules.catalog.service.aggregate import changing

MAX_BYTES = 10_000_000  # of an uploaded file
MAX_MEDIA = 50  # of one product
# What a file starts with, and the ending it is stored under. No SVG: it can carry scripts.
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
)


def add_media(
    *,
    product_id: UUID,
    now: datetime,
    url: str = "",
    file: File[bytes] | None = None,
    alt: str = "",
    expected_version: int | None = None,
) -> Media:
    """A new picture behind the others, from ``url`` or ``file``.

    Raises ProductNotFound, StaleVersion, MediaRefused.
    """
    if bool(url) == (file is not None):
        raise MediaRefused(reason="give either a file or an address")
    ending = ending_of(file) if file is not None else ""
    with changing(product_id, expected_version=expected_version, now=now) as product:
        count = product.media.count()
        if count >= MAX_MEDIA:
            raise MediaRefused(reason=f"a product has at most {MAX_MEDIA}")
        media = Media(product_id=product_id, url=url, alt=alt, position=count)
        if file is not None:
            media.file.save(f"{media.id.hex}{ending}", file, save=False)
        media.save(force_insert=True)
    return media


def change_media(
    *,
    product_id: UUID,
    media_id: UUID,
    now: datetime,
    alt: str | None = None,
    position: int | None = None,
    expected_version: int | None = None,
) -> Media:
    """Raises ProductNotFound, MediaNotFound, StaleVersion."""
    with changing(product_id, expected_version=expected_version, now=now):
        media = _media(product_id, media_id)
        media.alt = media.alt if alt is None else alt
        media.position = media.position if position is None else position
        media.save()
    return media


def order_media(*, product_id: UUID, media_ids: Sequence[UUID], now: datetime) -> None:
    """Show them in this order; those not named follow. Raises ProductNotFound, MediaNotFound."""
    with changing(product_id, expected_version=None, now=now) as product:
        left = {media.id: media for media in product.media.all()}
        for media_id in media_ids:
            if media_id not in left:
                raise MediaNotFound(reference=str(media_id))
        rest = [media_id for media_id in left if media_id not in set(media_ids)]
        for position, media_id in enumerate([*dict.fromkeys(media_ids), *rest]):
            left[media_id].position = position
            left[media_id].save(update_fields=["position"])


def remove_media(
    *, product_id: UUID, media_id: UUID, now: datetime, expected_version: int | None = None
) -> None:
    """Remove it; an uploaded file goes with it. Raises ProductNotFound, MediaNotFound."""
    with changing(product_id, expected_version=expected_version, now=now):
        media = _media(product_id, media_id)
        media.delete()
    if media.file:
        media.file.delete(save=False)


def _media(product_id: UUID, media_id: UUID) -> Media:
    found = Media.objects.filter(product_id=product_id, id=media_id).first()
    if found is None:
        raise MediaNotFound(reference=str(media_id))
    return found


def ending_of(file: File[bytes]) -> str:
    """The ending its content deserves, whatever its name says. Raises MediaRefused."""
    if file.size > MAX_BYTES:
        raise MediaRefused(reason=f"it is larger than {MAX_BYTES // 1_000_000} MB")
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    for signature, ending in SIGNATURES:
        if head.startswith(signature):
            return ending
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] == b"ftyp":
        return ".mp4"
    raise MediaRefused(reason="it is neither PNG, JPEG, GIF, WebP nor MP4")
