"""A postal address as modules pass it to each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """Where something goes. ``country`` is ISO 3166-1 alpha-2; ``phone`` is E.164 or empty."""

    name: str
    line1: str
    city: str
    country: str
    postal_code: str = ""
    line2: str = ""
    region: str = ""
    company: str = ""
    phone: str = ""
