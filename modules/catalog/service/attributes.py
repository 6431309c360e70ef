"""Define what products may say of themselves, and check what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules.catalog.contract import (
    AttributeInUse,
    AttributeInvalid,
    AttributeNotFound,
    SlugTaken,
)
from modules.catalog.domain import (
    AttributeType,
    AttributeValue,
    Definition,
    checked_attributes,
    read_value,
)
from modules.catalog.models import AttributeDefinition, Product, Variant
from modules.catalog.service.conflicts import conflicts_as
from modules.platform.databases import atomic


def checked(values: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """``values`` as they are stored. Raises AttributeInvalid."""
    return checked_attributes(values, definitions(values)) if values else {}


def read_pairs(pairs: Sequence[str]) -> dict[str, AttributeValue]:
    """``("color:red", "size:42")`` as typed values. Raises AttributeInvalid."""
    texts = dict(pair.partition(":")[::2] for pair in pairs)
    known = {definition.code: definition for definition in definitions(texts)}
    for code in texts:
        if code not in known:
            raise AttributeInvalid(attribute=code, reason="no such attribute is defined")
    return {code: read_value(known[code], text) for code, text in texts.items()}


def definitions(codes: Mapping[str, Any]) -> list[Definition]:
    """The definitions of those ``codes`` that are defined; one query."""
    return [
        Definition(code=row.code, type=AttributeType(row.type), options=tuple(row.options))
        for row in AttributeDefinition.objects.filter(code__in=list(codes))
    ]


def define_attribute(
    *, code: str, name: str, type: AttributeType, unit: str = "", options: Sequence[str] = ()
) -> AttributeDefinition:
    """A new attribute. Raises SlugTaken, AttributeInvalid (an enum without options)."""
    _check_options(code, type, options)
    with conflicts_as({"attributedefinition": SlugTaken(slug=code)}), atomic("catalog"):
        made = AttributeDefinition(
            code=code, name=name, type=type.value, unit=unit, options=list(options)
        )
        made.save(force_insert=True)
    return made


def change_attribute(*, code: str, changes: Mapping[str, Any]) -> AttributeDefinition:
    """Set name, unit or options; the type stays, and so does an option that is in use.

    Raises AttributeNotFound, AttributeInUse, AttributeInvalid.
    """
    with atomic("catalog"):
        found = AttributeDefinition.objects.select_for_update().filter(code=code).first()
        if found is None:
            raise AttributeNotFound(attribute=code)
        if "options" in changes:
            _check_options(code, AttributeType(found.type), changes["options"])
            for option in set(found.options) - set(changes["options"]):
                _check_unused(code, {"contains": {code: option}})
        for name in ("name", "unit", "options"):
            if name in changes:
                setattr(found, name, changes[name])
        found.save()
    return found


def remove_attribute(*, code: str) -> None:
    """Raises AttributeNotFound, AttributeInUse."""
    with atomic("catalog"):
        _check_unused(code, {"has_key": code})
        removed, _ = AttributeDefinition.objects.filter(code=code).delete()
        if not removed:
            raise AttributeNotFound(attribute=code)


def _check_options(code: str, type: AttributeType, options: Sequence[str]) -> None:
    if (type is AttributeType.ENUM) != bool(options):
        raise AttributeInvalid(attribute=code, reason="options belong to type enum, and only there")


def _check_unused(code: str, lookup: Mapping[str, Any]) -> None:
    where = {f"attributes__{op}": value for op, value in lookup.items()}
    if Product.objects.filter(**where).exists() or Variant.objects.filter(**where).exists():
        raise AttributeInUse(attribute=code)
