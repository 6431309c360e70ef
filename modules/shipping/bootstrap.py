"""What a fresh shop starts with: two zones and two methods, so that it can sell at once."""

from __future__ import annotations

from django.conf import settings

from modules.platform.databases import atomic
from modules.shipping.models import Area, Bracket, Carrier, Method, Rate, Zone
from modules.shipping.service import tariff

# The shop's own country and its VAT on delivery, guessed by its currency.
HOMES = {"USD": ("US", 0), "GBP": ("GB", 2_000), "CHF": ("CH", 810), "JPY": ("JP", 1_000)}
EURO_HOME = ("DE", 1_900)
# Method, zone, business days, free above, price per bracket below so many grams (minor units).
RATES = (
    ("standard", "domestic", (2, 4), 5_000, ((5_000, 490), (31_500, 890))),
    ("express", "domestic", (1, 1), None, ((5_000, 990), (31_500, 1_790))),
    ("standard", "worldwide", (5, 12), 15_000, ((5_000, 1_490), (31_500, 3_990))),
    ("express", "worldwide", (2, 4), None, ((5_000, 2_990), (31_500, 7_990))),
)
FREIGHT = 9_900  # heavier than any parcel: a pallet


def bootstrap() -> None:
    """Make the default tariff unless the shop has one already."""
    with atomic("shipping"):
        if not Zone.objects.exists():
            country, tax = HOMES.get(settings.SHOP_CURRENCY, EURO_HOME)
            _carrier_and_methods(tax)
            _zones(country)
            _rates()
    tariff.forget()


def _carrier_and_methods(tax: int) -> None:
    carrier, _ = Carrier.objects.get_or_create(
        code="dhl",
        defaults={
            "name": "DHL",
            "tracking_template": "https://www.dhl.com/en/express/tracking.html?AWB={number}",
        },
    )
    for code, name in (("standard", "Standard delivery"), ("express", "Express delivery")):
        Method.objects.get_or_create(
            code=code, defaults={"name": name, "carrier": carrier, "tax_basis_points": tax}
        )


def _zones(country: str) -> None:
    domestic = Zone.objects.create(code="domestic", name="Domestic")
    worldwide = Zone.objects.create(code="worldwide", name="Worldwide")
    Area.objects.create(zone=domestic, country=country)
    Area.objects.create(zone=worldwide)


def _rates() -> None:
    for method, zone, (least, most), free_above, prices in RATES:
        rate = Rate.objects.create(
            zone=Zone.objects.get(code=zone),
            method=Method.objects.get(code=method),
            currency=settings.SHOP_CURRENCY,
            min_days=least,
            max_days=most,
            free_above=free_above,
        )
        start = 0
        for below, price in (*prices, (None, FREIGHT)):
            Bracket.objects.create(rate=rate, weight_from=start, weight_below=below, price=price)
            start = below or start
