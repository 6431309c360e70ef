"""Published keys: which are usable, and how a source is read, asked and survived."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.auth.authenticator import Authenticator
from strangler_proxy.auth.identity import UNKNOWN_KEY, Identity
from strangler_proxy.auth.keys import MAX_BYTES, KeySource, parse_keys
from strangler_proxy.config import Keys
from strangler_proxy.errors import KeysUnavailable, TableRefused
from tests.proxy.answering import Server, answering, closed_port, saying, sending, until
from tests.proxy.issuing import NOW, Asking, Issuer, jwks, settings

ONE, TWO = Issuer("one"), Issuer("two")


def file_source(path: Path, *issuers: Issuer, **options: Any) -> KeySource:
    path.write_bytes(jwks(*issuers))
    return KeySource(Keys(file=str(path), refresh_seconds=0.02), pause=0.0, **options)


@asynccontextmanager
async def reading(source: KeySource) -> AsyncIterator[KeySource]:
    """The source, read as it is in the proxy."""
    task = asyncio.create_task(source.run())
    try:
        yield source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await source.close()


@asynccontextmanager
async def shop(*issuers: Issuer, **options: Any) -> AsyncIterator[tuple[Server, KeySource]]:
    """A server with these keys, and a source that reads there when it is asked."""
    async with answering(saying(body=jwks(*issuers))) as server:
        source = KeySource(Keys(url=f"http://{server.address}/jwks.json"), **options)
        async with reading(source):
            await until(lambda: source.state.read_at or source.state.failures)
            yield server, source


# ---------------------------------------------------------------- which keys


def test_the_shops_document_is_read() -> None:
    """As modules.accounts publishes it: OKP keys, newest first."""
    keys = parse_keys(jwks(TWO, ONE))
    assert {kid: key.algorithm for kid, key in keys.items()} == {"one": "EdDSA", "two": "EdDSA"}


def test_keys_of_three_kinds_are_usable() -> None:
    """Each for the one algorithm that suits it."""
    keys = parse_keys(jwks(*(Issuer(name, name) for name in ("EdDSA", "ES256", "RS256"))))
    assert all(kid == key.algorithm for kid, key in keys.items())
    assert len(keys) == 3


SMALL = json.loads(
    '{"kty":"RSA","e":"AQAB","kid":"k","n":"'
    "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSB"
    'igeC5yjU1hGzHHyXss8UDprecbAYxknTcQ"}'
)


@pytest.mark.parametrize(
    "changed",
    [
        {"kid": None},
        {"kid": 7},
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"crv": "Ed448"},
        {"x": 7},
        {"x": "AAAA"},
        {"x": None},
        {"kty": "oct", "k": "c2VjcmV0", "crv": ""},
        SMALL,
    ],
)
def test_what_cannot_verify_access_tokens_is_passed_over(changed: dict[str, Any]) -> None:
    """One bad entry does not take the good ones along; alone it is no set of keys."""
    bad = {name: value for name, value in {**ONE.jwk, **changed}.items() if value is not None}
    if changed is SMALL:
        bad = SMALL
    assert list(parse_keys(json.dumps({"keys": [bad, TWO.jwk]}).encode())) == ["two"]
    with pytest.raises(KeysUnavailable, match="no EdDSA, ES256 or RS256 signing key"):
        parse_keys(json.dumps({"keys": [bad]}).encode())


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{}", b"7", b"[" * 100_000])
def test_what_is_no_jwks_says_so(document: bytes) -> None:
    """In one sentence."""
    with pytest.raises(KeysUnavailable, match="not a JWKS"):
        parse_keys(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ONE.jwk, "n", "e", "y"]), inner, max_size=6)
    ),
    max_leaves=10,
)


@given(entries=JSON)
def test_no_document_breaks_the_parser(entries: Any) -> None:
    """It has usable keys, or it is refused as a whole."""
    document = json.dumps({"keys": [*entries, TWO.jwk] if isinstance(entries, list) else entries})
    with suppress(KeysUnavailable):
        assert "two" in parse_keys(document.encode())


@pytest.mark.parametrize(
    "keys",
    [
        Keys(),
        Keys(url="http://x", file="y"),
        Keys(url="ftp://x"),
        Keys(url="/jwks.json"),
        Keys(url="http:///jwks.json"),
        Keys(url="http://shop:port/jwks.json"),
    ],
)
def test_settings_that_name_no_source_are_refused(keys: Keys) -> None:
    """With the place in the document."""
    with pytest.raises(TableRefused, match=r"\$\.authentication\.keys"):
        KeySource(keys)


# ---------------------------------------------------------------- reading


def test_a_file_is_read_again(tmp_path: Path) -> None:
    """Within ``refresh_seconds`` a changed file is in force; an unchanged one replaces nothing."""

    async def scene() -> None:
        path = tmp_path / "jwks.json"
        async with reading(file_source(path, ONE)) as source:
            await until(lambda: source.state.kids == ("one",))
            before = source.keys
            read_at = source.state.read_at
            await until(lambda: source.state.read_at > read_at)
            assert source.keys is before
            path.write_bytes(jwks(ONE, TWO))
            await until(lambda: source.state.kids == ("one", "two"))

    asyncio.run(scene())


def test_a_source_that_fails_keeps_the_last_good_keys(tmp_path: Path) -> None:
    """The state names the error and since when; when it is whole again, that is over."""

    async def scene() -> None:
        path = tmp_path / "jwks.json"
        source = file_source(path, ONE)
        assert await source.read()
        good = source.state
        for contents, error in [(b"{", "not a JWKS"), (b'{"keys": []}', "no EdDSA")]:
            path.write_bytes(contents)
            assert not await source.read()
            assert error in source.state.error
        path.unlink()
        assert not await source.read()
        assert "No such file" in source.state.error
        assert source.state.failures == 3
        assert source.state.failed_at >= good.read_at == source.state.read_at
        assert source.state.kids == ("one",)
        path.write_bytes(jwks(TWO))
        assert await source.read()
        assert (source.state.failures, source.state.error) == (0, "")
        assert source.state.kids == ("two",)

    asyncio.run(scene())


def test_a_url_is_read() -> None:
    """Over HTTP, with an Accept field that names the media type."""

    async def scene() -> None:
        async with shop(ONE) as (server, source):
            assert source.state.kids == ("one",)
            assert b"accept: application/jwk-set+json" in server.heads[0].lower()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (saying("503 Service Unavailable", jwks(TWO)), "it answered 503"),
        (saying("302 Found", b"", "location: http://127.0.0.1/\r\n"), "it answered 302"),
        (saying(body=b" " * (MAX_BYTES + 1)), "larger than"),
        (sending(b"HTTP/1.1 200 OK\r\n\r\n{"), "not a JWKS"),
        (sending(b"nonsense\r\n\r\n"), ""),
        (sending(b""), ""),
    ],
)
def test_a_bad_answer_changes_nothing(answer: Any, error: str) -> None:
    """Whatever the server does, the keys read before stay."""

    async def scene() -> None:
        async with shop(ONE) as (server, source):
            server.answer = answer
            assert not await source.read()
            assert error in source.state.error
            assert source.state.error
            assert source.state.kids == ("one",)

    asyncio.run(scene())


def test_nobody_at_the_url_is_a_failure_that_ends_by_itself(tmp_path: Path) -> None:
    """It is tried again without being asked, sooner than after ``refresh_seconds``."""

    async def scene() -> None:
        source = KeySource(Keys(url=f"http://{await closed_port()}/"))
        async with reading(source):
            await until(lambda: source.state.failures == 2)
            assert not source.keys

    asyncio.run(scene())


def test_credentials_in_the_url_are_not_shown() -> None:
    """The state goes into metrics and logs."""
    source = KeySource(Keys(url="https://user:secret@shop.example/jwks.json"))
    assert "secret" not in source.state.source
    assert "shop.example/jwks.json" in source.state.source


# ---------------------------------------------------------------- asking


def test_a_thousand_questions_are_one_reading() -> None:
    """Tokens with made-up kids do not become a flood at the source."""

    async def scene() -> None:
        async with shop(ONE, pause=0.2) as (server, source):
            await asyncio.sleep(0.25)
            for _ in range(10):
                for _ in range(1000):
                    source.ask()
                await asyncio.sleep(0.01)
            # One at once, one more after the pause for those that came after it.
            assert len(server.heads) == 2
            await asyncio.sleep(0.3)
            assert len(server.heads) == 3

    asyncio.run(scene())


def test_a_new_key_is_known_before_its_first_token_is_refused() -> None:
    """A request with an unknown key asks, waits until the source has settled, and looks again."""

    async def scene() -> None:
        async with shop(ONE, pause=0.05) as (server, source):
            guard = Authenticator(settings(), source)
            await asyncio.sleep(0.1)
            server.answer = saying(body=jwks(TWO, ONE))
            request = Asking(TWO.token())
            assert guard.identify(request, NOW) is UNKNOWN_KEY
            await source.settled()
            assert isinstance(guard.identify(request, NOW), Identity)

    asyncio.run(scene())


def test_made_up_keys_do_not_make_requests_wait() -> None:
    """Just after a reading there is nothing to wait for."""

    async def scene() -> None:
        async with shop(ONE, pause=60.0) as (_, source):
            source.ask()
            async with asyncio.timeout(0.5):
                await source.settled(30.0)

    asyncio.run(scene())


def test_waiting_for_a_source_that_hangs_ends() -> None:
    """After the seconds that the request gives it."""

    async def scene() -> None:
        async with shop(ONE, pause=0.0) as (server, source):
            server.answer = sending(b"", then=60.0)
            source.ask()
            async with asyncio.timeout(2.0):
                await source.settled(0.05)
            assert source.state.kids == ("one",)

    asyncio.run(scene())
