"""The shop's table of variables."""

from __future__ import annotations

from collections import Counter

from shop.env import ROOT, VARIABLES, example, load


def test_example_is_what_the_table_says() -> None:
    """.env.example is generated; whoever changes the table runs make env-example."""
    assert (ROOT / ".env.example").read_text() == example()


def test_every_variable_says_what_it_means() -> None:
    """Each has one line of meaning that ends with a full stop."""
    assert [v.name for v in VARIABLES if not v.meaning.endswith(".")] == []


def test_every_variable_is_declared_once() -> None:
    """By every host, by the shop or by one module."""
    assert [name for name, count in Counter(v.name for v in VARIABLES).items() if count > 1] == []


def test_modules_bring_their_variables() -> None:
    """What payment reads is declared by payment, and read by the shop."""
    assert load({"STANDIN_PORT": "9090"}).read("STANDIN_PORT") == 9090
