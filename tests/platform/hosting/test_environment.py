"""Variables: how they are read, what is refused, how they are shown."""

from __future__ import annotations

import pytest

from modules.platform.hosting.environment import EnvError, Environment
from modules.platform.hosting.variables import EVERY_HOST, example, variable

PORT = variable("WEB_PORT", int, 8001, "Port of the web server.")
ROLE = variable("INSTANCE_ROLE", str, "own", "Whose schema.")


def environment(**source: str) -> Environment:
    return Environment((*EVERY_HOST, PORT, ROLE), source)


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
    assert environment(**{name: text}).read(name) == value


def test_a_value_that_cannot_be_read_is_named() -> None:
    """The error names the variable, its value and its meaning."""
    with pytest.raises(EnvError, match=r"WEB_PORT='many' is not a valid int: Port"):
        environment(WEB_PORT="many").read("WEB_PORT")


def test_one_of_some_words() -> None:
    """A word that is not one of those allowed is an error that names them."""
    assert environment().one_of("INSTANCE_ROLE", ("own", "origin")) == "own"
    with pytest.raises(EnvError, match="INSTANCE_ROLE='mine' is none of own, origin"):
        environment(INSTANCE_ROLE="mine").one_of("INSTANCE_ROLE", ("own", "origin"))


def test_production_names_all_that_is_missing() -> None:
    """One error lists every required variable that is not set."""
    with pytest.raises(EnvError, match="DATABASE_URL, REDIS_URL"):
        environment(SECRET_KEY="x").require()


def test_one_module_may_have_a_database_of_its_own() -> None:
    """<MODULE>_DATABASE_URL overrides one alias only."""
    env = environment(PAYMENT_DATABASE_URL="postgresql:///pay")
    assert env.database_overrides(("cart", "payment")) == {"payment": "postgresql:///pay"}


def test_networks_are_checked() -> None:
    """An address or a network; anything else is named."""
    env = environment(LOAD_BALANCERS="10.0.0.0/8,::1", TRUSTED_PROXIES="10.0.0.0/8,door")
    assert env.networks("LOAD_BALANCERS") == ["10.0.0.0/8", "::1"]
    with pytest.raises(EnvError, match="TRUSTED_PROXIES: 'door' is no network"):
        env.networks("TRUSTED_PROXIES")


def test_example_shows_meaning_and_default() -> None:
    """A comment, and the default as one would write it."""
    shown = example([PORT], header="All of it.", footer=["# The end.", ""])
    assert shown == "# All of it.\n\n# Port of the web server.\n# WEB_PORT=8001\n\n# The end.\n"
