"""The rest of the routing document: tokens, health, workers, and what outlives a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.http.request import validate_host

from modules.platform.console import CommandFailed
from shop.env import load
from shop.running.processes import state_folder
from shop.running.routing import write_document
from strangler_proxy import config
from strangler_proxy.document.last_good import LastGood
from strangler_proxy.table import Table, load_table_file
from tests.shop.routing import table


@pytest.fixture
def routes(tmp_path: Path) -> Table:
    """With the defaults."""
    return table(tmp_path)


def test_several_workers_count_together(tmp_path: Path) -> None:
    """In Redis, or each would allow as much as all may."""
    assert table(tmp_path).document.shared_limits is None
    shared = table(tmp_path, PROXY_WORKERS="2").document.shared_limits
    assert shared is not None
    assert shared.redis == settings.REDIS_URL


def test_pages_of_other_origins_may_read_refusals(tmp_path: Path) -> None:
    """Those whose pages may call the API, and nobody where nobody may."""
    assert table(tmp_path).document.cors is None
    cors = table(tmp_path, CORS_ALLOWED_ORIGINS="https://a.example,https://b.example").document.cors
    assert cors is not None
    assert cors.origins == ("https://a.example", "https://b.example")


def test_tokens_are_those_of_accounts(routes: Table) -> None:
    """Issuer, audience and keys as accounts issues them."""
    from modules.platform.rest.access_tokens import AUDIENCE

    found = routes.document.authentication
    assert found is not None
    assert (found.issuer, found.audience) == (settings.SHOP_URL, AUDIENCE)
    assert found.keys.url == "http://127.0.0.1:8001/api/v1/accounts/.well-known/jwks.json"


@pytest.mark.parametrize(
    "allowed", [["localhost"], ["*"], [".example.com"], ["shop.example.com", "b.example"]]
)
def test_health_checks_ask_by_a_name_that_is_allowed(
    tmp_path: Path, settings: Any, allowed: list[str]
) -> None:
    """Else the monolith would refuse them."""
    settings.ALLOWED_HOSTS = allowed
    health = table(tmp_path).document.upstreams["monolith"].health
    assert health is not None
    assert health.host is not None
    assert validate_host(health.host, allowed)


def test_load_balancers_are_believed(tmp_path: Path) -> None:
    """And nobody else, by default."""
    assert table(tmp_path).document.listen[0].trusted_proxies == ()
    (listen,) = table(tmp_path, LOAD_BALANCERS="10.0.0.0/8").document.listen
    assert listen.trusted_proxies == ("10.0.0.0/8",)


def test_written_document_and_token_are_the_users_own(tmp_path: Path) -> None:
    """Both may hold secrets; the token is made once and stays."""
    path = write_document(load({}), tmp_path)
    admin = load_table_file(path).document.admin
    assert admin is not None
    token = Path(str(admin.token_file))
    first = token.read_text()
    write_document(load({}), tmp_path)
    assert token.read_text() == first
    assert {oct(file.stat().st_mode & 0o777) for file in (path, token)} == {"0o600"}


# ---------------------------------------------------------------- what outlives a restart


def test_phases_outlive_a_restart(tmp_path: Path) -> None:
    """What was put in force while it ran stays, with new ports and routes around it."""
    before = table(tmp_path).document
    moved = config.Capability(
        monolith="monolith", service="payment", phase=config.Phase.EXTRACTED, epoch=4
    )
    service = config.Upstream(instances=(config.Instance("127.0.0.1:8101"),))
    in_force = msgspec.structs.replace(
        before,
        revision=9,
        capabilities={**before.capabilities, "payment": moved},
        upstreams={**before.upstreams, "payment": service},
    )
    LastGood(str(state_folder(tmp_path))).save(in_force)
    after = table(tmp_path, PROXY_PORT="9000", WEB_PORT="9001").document
    assert (after.revision, after.capabilities) == (9, in_force.capabilities)
    assert after.upstreams["payment"] == service
    assert after.listen[0].address == "127.0.0.1:9000"
    assert after.upstreams["monolith"].instances[0].address == "127.0.0.1:9001"


def test_unreadable_state_is_named(tmp_path: Path) -> None:
    """Nobody guesses where a module runs: the file is named, and what removing it means."""
    saved = state_folder(tmp_path) / "table.json"
    saved.parent.mkdir(parents=True)
    saved.write_text("capabilities: [}")
    with pytest.raises(CommandFailed, match=r"table\.json cannot be read .* in the monolith"):
        table(tmp_path)
