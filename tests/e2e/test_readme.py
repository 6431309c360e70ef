"""The README's way to buy something, run as it stands there."""

from __future__ import annotations

import json
import subprocess

from tests.docs.markdown import sections
from tests.e2e.running import ROOT, RunningShop
from tests.waiting import eventually

HERE = "http://localhost:8000"  # where the README's shop is


def commands_under(title: str) -> str:
    """The shell commands under that heading of the README."""
    (section,) = (one for one in sections((ROOT / "README.md").read_text()) if one.title == title)
    (block,) = (one for one in section.blocks if one.language == "bash")
    return block.text


def test_the_readme_buys_something(shop: RunningShop) -> None:
    """Copied into a shell, its commands end with a confirmed order, which is captured soon."""
    goods = shop.home / "readme.csv"  # the newest goods are what the README's shopper takes
    goods.write_text(
        "sku,name,description,category,brand,price,currency,stock\n"
        "README-1,Read apple,Fresh.,Food > Fruit,Orchard,2.00,USD,100\n"
    )
    shop.manage("import_catalog", str(goods))
    commands = commands_under("Buy something")
    assert commands.count(HERE) == 1
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace(HERE, shop.base)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    order = json.loads(ran.stdout[ran.stdout.rindex('{"id":"ord_') :])
    assert (order["state"], order["lines"][0]["sku"]) == ("confirmed", "README-1")
    eventually(
        lambda: shop.query(
            "SELECT 1 FROM orders.orders_order WHERE number = %s AND state = 'captured'",
            order["number"],
        ),
        what="capture of the order",
    )
