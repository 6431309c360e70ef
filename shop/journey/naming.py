"""Names for people from the data's own: ``YOGURT NOT MULTI-PACKS``, ``6 OZ`` -> Yogurt, 6 oz."""

from __future__ import annotations

import re

# What the data's buyers abbreviate, as a shopper would read it.
WORDS = {
    "FRZN": "frozen",
    "REFRGRATD": "refrigerated",
    "REFRGERATD": "refrigerated",
    "BRKFST": "breakfast",
    "WHLSM": "wholesome",
    "PCKGD": "packaged",
    "PKGD": "packaged",
    "MISC": "miscellaneous",
    "BEV": "beverages",
    "VEG": "vegetables",
    "CHOC": "chocolate",
    "CNDY": "candy",
    "DRNK": "drink",
    "DRNKS": "drinks",
    "JCE": "juice",
    "SNKS": "snacks",
    "SFT": "soft",
    "GM": "general",
    "ORGNC": "organic",
    "REG": "regular",
    "SGL": "single",
    "SRV": "serve",
    "ASST": "assorted",
    "W": "with",
    "MW": "microwave",
    "RTS": "ready to serve",
    "HH": "household",
    "PROD": "product",
    "WHS": "warehouse",
    "CNTRL": "central",
    "ELECT": "electric",
}
DEPARTMENTS = {
    "DRUG GM": "Drugstore",
    "MEAT-PCKGD": "Packaged meat",
    "SEAFOOD-PCKGD": "Packaged seafood",
    "CNTRL/STORE SUP": "Store supplies",
    "CHARITABLE CONT": "Charity",
    "GM MERCH EXP": "General merchandise",
    "ELECT &PLUMBING": "Electric and plumbing",
    "PROD-WHS SALES": "Warehouse sales",
    "": "Miscellaneous",
}
_SEPARATORS = re.compile(r"\s*[/:;,&]+\s*")
_NOISE = re.compile(r"\s*\((?:.*?)(?:\)|$)|\bNOT MULTI-PACKS\b|\bNOT OTHERWISE.*$")
_SIZE = re.compile(r"^[\d./X\s-]+ ?[A-Z]{2,}$")


def words(text: str) -> str:
    """A label as a short phrase that begins with a capital."""
    plain = _SEPARATORS.sub(", ", _NOISE.sub("", text.upper()).replace(" - ", ", "))
    spelled = " ".join(WORDS.get(word, word) for word in plain.split())
    phrase = re.sub(r"(?:, )+", ", ", spelled).strip(" ,-").lower()
    return phrase[:1].upper() + phrase[1:]


def department(text: str) -> str:
    """A department's name."""
    return DEPARTMENTS.get(text) or words(text)


def product_name(type_: str, category: str, size: str) -> str:
    """What the product is, and how much of it."""
    name = words(type_) or words(category) or "Grocery item"
    return f"{name}, {size.lower()}" if _SIZE.match(size) else name


def brand(kind: str, manufacturer: int) -> str:
    """Own brands are the shop's; others go by their maker, whom the data only numbers."""
    return "Own brand" if kind == "Private" else f"Maker {manufacturer}"
