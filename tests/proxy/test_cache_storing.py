"""What the cache stores, for how long, and for whom."""

from __future__ import annotations

import pytest

from strangler_proxy import config
from strangler_proxy.cache import Then, rules_for
from tests.proxy.cached_shop import Asking, Reply, Shop, fresh

LAST_YEAR = -365 * 86_400


@pytest.mark.parametrize(
    "headers",
    [
        {"cache-control": "max-age=60"},
        {"cache-control": "s-maxage=60, max-age=0"},
        {"cache-control": "max-age=60", "expires": "0"},
        {"expires": 60},
        {"expires": 60, "date": "yesterday"},
        {"last-modified": LAST_YEAR},
        {"cache-control": "max-age=60", "age": "58"},
        {"cache-control": "max-age=60", "age": "soon"},
        {"cache-control": "max-age=60", "age": "-3"},
        {"cache-control": "max-age=60", "age": "0, 3600"},
        {"cache-control": "max-age=60", "age": ["0", "3600"]},
        {"cache-control": "max-age=60, no-cache=set-cookie"},
        {"cache-control": "max-age=60, private=x"},
        {"cache-control": "no-store", "cdn-cache-control": "max-age=60"},
        {"cache-control": "max-age=60", "cdn-cache-control": "no-store, &"},
        {"cache-control": "max-age=60, must-understand, no-store"},
        {"cache-control": "max-age=60", "vary": "accept"},
    ],
)
def test_is_reused(headers: dict[str, str | int | list[str]]) -> None:
    """An answer that says it is fresh, or was long unchanged, answers the next request."""
    assert Shop().stores(Reply({"date": 0, **headers}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cache-control": "max-age=0"},
        {"cache-control": "max-age=1"},
        {"cache-control": "max-age=60, s-maxage=0"},
        {"cache-control": "max-age=60, no-store"},
        {"cache-control": "max-age=60, private"},
        {"cache-control": "max-age=60, no-cache"},
        {"cache-control": "max-age='60'"},
        {"cache-control": "max-age=0", "expires": 60},
        {"cache-control": "max-age=60", "age": "60"},
        {"cache-control": "max-age=60", "age": "60, 0"},
        {"cache-control": "max-age=60", "age": "61;x=1"},
        {"cache-control": "max-age=60", "age": "99999999999"},
        {"cache-control": "max-age=60", "date": -61},
        {"cache-control": "max-age=60", "vary": "*"},
        {"cache-control": "max-age=60", "vary": ["accept", ", *"]},
        {"cache-control": "max-age=60", "set-cookie": "a=b"},
        {"cache-control": "max-age=60", "cdn-cache-control": "max-age=0"},
        {"cache-control": "max-age=60", "cdn-cache-control": "private"},
        {"cdn-cache-control": "max-age=0", "expires": 60},
        {"cdn-cache-control": "public", "expires": 60},
        {"expires": 0},
        {"expires": "0"},
        {"expires": ["Fri, 20 Nov 2099 00:00:00 GMT", "Fri, 20 Nov 2099 00:00:01 GMT"]},
        {"expires": 300, "date": 400},
        {"last-modified": -5},
        {"pragma": "public"},
    ],
)
def test_is_not_reused(headers: dict[str, str | int | list[str]]) -> None:
    """An answer that is stale, unclear or meant for one reader does not answer the next."""
    assert not Shop().stores(Reply({"date": 0, **headers}))


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_statuses_that_may_be_kept_unasked(status: int) -> None:
    """These are reused by how long ago they changed, without saying so themselves."""
    assert Shop().stores(Reply({"date": 0, "last-modified": LAST_YEAR}, status))


@pytest.mark.parametrize("status", [201, 202, 302, 307, 400, 403, 500, 502, 503, 504, 599])
def test_statuses_that_must_ask_for_it(status: int) -> None:
    """These are reused only when they say so."""
    assert not Shop().stores(Reply({"date": 0, "last-modified": LAST_YEAR}, status))
    public = {"date": 0, "last-modified": LAST_YEAR, "cache-control": "public"}
    assert Shop().stores(Reply(public, status))
    assert Shop().stores(Reply({"date": 0, "cache-control": "max-age=60"}, status))


@pytest.mark.parametrize("status", [206, 304, 416])
def test_partial_answers_are_not_stored(status: int) -> None:
    """What answers a range or a condition says nothing to others."""
    assert not Shop().stores(Reply({"date": 0, "cache-control": "max-age=60"}, status))


def test_unknown_status_with_must_understand() -> None:
    """must-understand forbids storing what we do not know."""
    assert not Shop().stores(
        Reply({"date": 0, "cache-control": "max-age=60, must-understand"}, 599)
    )


def test_default_lifetime_of_a_route() -> None:
    """``default_seconds`` is for answers that say nothing about it, and only for those."""
    shop = Shop(default_seconds=30.0)
    assert shop.stores(Reply())
    shop.later(28)
    assert shop.get(Reply()).from_cache
    shop.later(1)
    assert not shop.get(Reply()).from_cache
    assert not Shop(default_seconds=30.0).stores(Reply({"cache-control": "no-store"}))
    assert not Shop(default_seconds=30.0).stores(Reply({"cache-control": "max-age=0"}))
    assert not Shop(default_seconds=30.0).stores(Reply(status=500))


def test_heuristic_is_a_tenth_and_at_most_a_day() -> None:
    """Unchanged for 100 s means fresh for 10 s; for a year, a day."""
    shop = Shop()
    shop.get(Reply({"date": 0, "last-modified": -100}))
    shop.later(9)
    assert shop.get().from_cache
    shop.later(1)
    assert not shop.get().from_cache
    shop.get(Reply({"date": 0, "last-modified": LAST_YEAR}), target=b"/old")
    shop.later(86_399)
    assert shop.get(target=b"/old").from_cache
    shop.later(1)
    assert not shop.get(target=b"/old").from_cache


@pytest.mark.parametrize("name", ["authorization", "x_api_key"])
def test_answers_to_credentials(name: str) -> None:
    """They serve others only when they say so; what serves all serves the authenticated too."""
    assert not Shop().stores(fresh(), **{name: "secret"})
    for allowing in ("public, max-age=60", "must-revalidate, max-age=60", "s-maxage=60"):
        shop = Shop()
        assert shop.stores(Reply({"date": 0, "cache-control": allowing}), **{name: "secret"})
        assert shop.get().from_cache
    shop = Shop()
    shop.get(fresh())
    assert shop.get(**{name: "secret"}).from_cache


def test_cookies_are_stored_where_the_route_says_so() -> None:
    """By default an answer that sets a cookie is for one client."""
    reply = fresh(set_cookie=["a=b", "c=d"])
    assert not Shop().stores(reply)
    shop = Shop(cookies=True)
    shop.get(reply)
    assert shop.get().headers[b"set-cookie"] == b"a=b, c=d"


@pytest.mark.parametrize(
    "headers",
    [
        {"content_length": "3"},
        {"transfer_encoding": "chunked"},
        {"if_match": '"a"'},
        {"if_unmodified_since": "Fri, 20 Nov 2026 00:00:00 GMT"},
        {"cache_control": "no-store"},
        {"upgrade": "websocket"},
    ],
)
def test_requests_that_pass_by(headers: dict[str, str]) -> None:
    """A body, conditions for the origin, no-store: neither stored nor answered from the store."""
    shop = Shop()
    assert not shop.stores(fresh(), **headers)
    shop.get(fresh())
    assert not shop.get(Reply(), **headers).from_cache


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"OPTIONS", b"PURGE"])
def test_only_get_is_stored(method: bytes) -> None:
    """Answers to other methods are not kept."""
    shop = Shop()
    shop.get(fresh(), method=method)
    assert not shop.get(Reply()).from_cache


def test_keys() -> None:
    """Target with query, host, scheme, route and upstream: each keeps answers apart."""
    shop = Shop()
    shop.get(fresh(), target=b"/a?x=1")
    asking = Asking(target=b"/a?x=1")
    assert shop.plan(asking).answer is not None
    assert shop.plan(Asking(target=b"/a?x=2")).answer is None
    assert shop.plan(Asking(target=b"/a?x=1", host=b"other")).answer is None
    assert shop.plan(Asking(target=b"/a?x=1", secure=False)).answer is None
    assert shop.plan(Asking(target=b"/a?x=1", method=b"HEAD")).answer is not None
    shop.upstream = "service"
    assert shop.plan(asking).answer is None


def test_space_of_a_route() -> None:
    """What a route's rules make of answers must not outlive the rules."""

    def space(**options: object) -> str:
        route = config.Route(name="a", prefix="/", cache=config.Cache(), **options)  # type: ignore[arg-type]
        rules = rules_for(route)
        assert rules is not None
        return rules.space

    adding = config.ResponseRules(headers=config.Headers(add={"X": "1"}))
    assert space() == space() == "a"
    assert len({space(), space(response=adding), space(response=config.ResponseRules())}) == 3
    assert rules_for(config.Route(name="a", prefix="/")) is None


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_bodies_are_not_stored(announced: bool) -> None:
    """Whether the length is known before or found out on the way."""
    length = {"content-length": "101"} if announced else {}
    shop = Shop(body_bytes=100)
    got = shop.get(Reply({"cache-control": "max-age=60", **length}, body=b"x" * 101))
    assert got.then is (Then.PASS if announced else Then.STORE)
    assert not shop.get(Reply()).from_cache
    assert Shop(body_bytes=100).stores(Reply({"cache-control": "max-age=60"}, body=b"x" * 100))


def test_broken_off_bodies_are_not_stored() -> None:
    """Only a recording that is committed counts, and it counts once."""
    shop = Shop()
    plan = shop.plan(Asking())
    outcome = shop.cache.on_response(plan, 200, {b"cache-control": b"max-age=60"}, (), shop.now)
    recording = outcome.recording
    assert recording is not None
    recording.write(b"half", shop.now)
    recording.abort(shop.now)
    recording.write(b"other half", shop.now)
    recording.commit(shop.now)
    assert shop.cache.memory.entries == 0


def test_what_is_kept_of_the_fields() -> None:
    """Everything but what concerns the connection, or what the answer itself withholds."""
    shop = Shop()
    reply = Reply(
        {
            "Cache-Control": 'max-age=60, no-cache="x-a", private=X-B',
            "Connection": "close, X-Listed",
            "X-Listed": "1",
            "X-A": "1",
            "X-B": "1",
            "X-Kept": ["1", "2"],
            "Keep-Alive": "5",
            "Proxy-Authenticate": "Basic",
            "TE": "x",
            "Upgrade": "h2c",
            "Age": "2",
            "Content-Length": "7",
            "Warning": "110 - stale",
            "Cache-Status": "inner; hit",
        }
    )
    shop.get(reply)
    shop.later(3)
    got = shop.get()
    assert set(got.headers) == {
        *(b"cache-control", b"x-kept", b"date", b"age", b"content-length"),
        *(b"warning", b"cache-status"),
    }
    assert got.headers[b"x-kept"] == b"1, 2"
    assert got.headers[b"age"] == b"5"
    assert got.headers[b"content-length"] == b"7"


def test_age_counts_the_way() -> None:
    """Time on the way counts, and the Date of a slow clock too."""
    shop = Shop()
    plan = shop.plan(Asking())
    shop.later(4)
    headers = {b"cache-control": b"max-age=60", b"age": b"10"}
    outcome = shop.cache.on_response(plan, 200, headers, (), shop.now)
    assert outcome.recording is not None
    outcome.recording.commit(shop.now)
    assert shop.get().headers[b"age"] == b"14"
    shop.get(fresh(date=-20), target=b"/slow")
    assert shop.get(target=b"/slow").headers[b"age"] == b"20"
    shop.get(fresh(date=20), target=b"/fast")
    assert shop.get(target=b"/fast").headers[b"age"] == b"0"


def test_age_is_never_negative() -> None:
    """Even when our clock is set back."""
    shop = Shop()
    shop.get(fresh())
    shop.later(-5)
    assert shop.get().headers[b"age"] == b"0"


def test_no_content_has_no_length() -> None:
    """RFC 9110 section 8.6."""
    shop = Shop()
    shop.get(Reply(fresh().headers, 204, b""))
    assert b"content-length" not in shop.get().headers
