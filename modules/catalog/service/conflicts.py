"""Unique constraints as the module's own errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import IntegrityError

from modules.catalog.contract import CatalogError


@contextmanager
def conflicts_as(errors: Mapping[str, CatalogError]) -> Iterator[None]:
    """Raise the error whose key is part of the violated constraint's name.

    Wrap the whole transaction: after a violation PostgreSQL takes no more statements in it.
    """
    try:
        yield
    except IntegrityError as violation:
        diagnosis = getattr(violation.__cause__, "diag", None)
        constraint = getattr(diagnosis, "constraint_name", None) or ""
        for part, error in errors.items():
            if part in constraint:
                raise error from violation
        raise
