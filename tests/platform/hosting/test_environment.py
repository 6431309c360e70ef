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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PROXY_PORT", "0"),
        ("PROXY_PORT", "65536"),
        ("WEB_WORKERS", "0"),
        ("WORKER_PROCESSES", "-1"),
        ("SHOP_CURRENCY", "usd"),
        ("SHOP_CURRENCY", "EURO"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_though_nobody_reads_it(name: str, text: str) -> None:
    """A port that there is not, no workers at all, a currency's name instead of its code."""
    with pytest.raises(EnvError, match=f"^{name}='{text}' is not a valid"):
        environment(**{name: text}).read_all()
    environment(PROXY_PORT="65535", WEB_WORKERS="1", SHOP_CURRENCY="EUR").read_all()


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


@pytest.mark.parametrize("text", ["foo", "postgresql://u:secret@[host/x", "host=a secret"])
def test_a_connection_string_that_libpq_cannot_read_is_named_without_its_password(
    text: str,
) -> None:
    """Of the host and of one module alike; what is printed goes to logs."""
    for name in ("DATABASE_URL", "PAYMENT_DATABASE_URL"):
        env = environment(**{name: text})
        with pytest.raises(EnvError, match=f"^{name} is no connection string") as raised:
            env.database("DATABASE_URL") or env.database_overrides(("payment",))
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["foo", "http://host", "redis://", "redis://host:port", "redis://[::1"]
)
def test_a_server_that_cannot_be_asked_is_named(text: str) -> None:
    """Its scheme and its port are looked at before anything connects."""
    with pytest.raises(EnvError, match=r"^REDIS_URL "):
        environment(REDIS_URL=text).server("REDIS_URL", ("redis", "rediss"))
    assert environment(REDIS_URL="rediss://h:1/0").server("REDIS_URL", ("redis", "rediss"))
    assert environment().server("REDIS_URL", ("redis",)) == ""


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
