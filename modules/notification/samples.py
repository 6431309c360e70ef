"""Sample data to preview templates with: one order that has everything."""

from __future__ import annotations

from typing import Any


def variables() -> dict[str, Any]:
    """What events and commands carry, all in one."""
    return {
        "number": "F-1001",
        "email": "ada@example.com",
        "full_name": "Ada Lovelace",
        "name": "Ada Lovelace",
        "placed_at": "2025-03-07T12:00:00Z",
        "lines": [_line("Green tea <organic>", 2, 1380), _line("Teapot", 1, 2490)],
        "subtotal": _money(3870),
        "discount": _money(387),
        "shipping": _money(490),
        "tax": _money(634),
        "total": _money(3973),
        "refunded": _money(2490),
        "amount": _money(2490),
        "shipping_address": {
            "name": "Ada Lovelace",
            "company": "",
            "line1": "12 St James's Square",
            "line2": "",
            "postal_code": "SW1Y 4JH",
            "city": "London",
            "region": "",
            "country": "GB",
        },
        "failure_code": "payment.declined",
        "tracking_number": "1Z999AA10123456784",
        "tracking_url": "https://tracking.example.com/1Z999AA10123456784",
        "complete": True,
        "link": "https://shop.example.com/a-link-with-a-token",
        "token": "a-token",
        "hours": "1",
    }


def _money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def _line(name: str, quantity: int, total: int) -> dict[str, Any]:
    return {
        "sku": name[:3].upper(),
        "name": name,
        "quantity": quantity,
        "unit_price": _money(total // quantity),
        "total": _money(total),
    }
