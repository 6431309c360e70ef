"""The table of variables: what is declared, what is read, what is refused."""

from __future__ import annotations

import pytest

from shop.env import ROOT, VARIABLES, EnvError, Environment, example


def test_example_is_what_the_table_says() -> None:
    """.env.example is generated; whoever changes the table runs make env-example."""
    assert (ROOT / ".env.example").read_text() == example()


def test_every_variable_says_what_it_means() -> None:
    """Each has one line of meaning that ends with a full stop."""
    assert [v.name for v in VARIABLES if not v.meaning.endswith(".")] == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("WEB_PORT", "9001", 9001),
        ("DATABASE_ROLES", "true", True),
        ("ALLOWED_HOSTS", "a.example,b.example", ["a.example", "b.example"]),
        ("WEB_PORT", "", 8001),
    ],
)
def test_values_are_typed(name: str, text: str, value: object) -> None:
    """A variable is read as its declared type; empty means the default."""
    assert Environment({name: text}).read(name) == value


def test_a_value_that_cannot_be_read_is_named() -> None:
    """The error names the variable, its value and its meaning."""
    with pytest.raises(EnvError, match=r"WEB_PORT='many' is not a valid int: Port"):
        Environment({"WEB_PORT": "many"}).read("WEB_PORT")


def test_production_names_all_that_is_missing() -> None:
    """One error lists every required variable that is not set."""
    with pytest.raises(EnvError, match="DATABASE_URL, REDIS_URL"):
        Environment({"SECRET_KEY": "x"}).require()


def test_one_module_may_have_a_database_of_its_own() -> None:
    """<MODULE>_DATABASE_URL overrides one alias only."""
    env = Environment({"PAYMENT_DATABASE_URL": "postgresql:///pay"})
    assert env.database_overrides(("cart", "payment")) == {"payment": "postgresql:///pay"}


def test_networks_are_checked() -> None:
    """An address or a network; anything else is named."""
    env = Environment({"LOAD_BALANCERS": "10.0.0.0/8,::1", "TRUSTED_PROXIES": "10.0.0.0/8,door"})
    assert env.networks("LOAD_BALANCERS") == ["10.0.0.0/8", "::1"]
    with pytest.raises(EnvError, match="TRUSTED_PROXIES: 'door' is no network"):
        env.networks("TRUSTED_PROXIES")
