"""How stored answers are freshened, told apart by Vary, and made worthless."""

from __future__ import annotations

import pytest

from strangler_proxy.cache import Kind, Then
from strangler_proxy.cache.dates import format_date
from strangler_proxy.cache.planning import Said, Why
from tests.proxy.cached_shop import START, Asking, Reply, Shop, fresh

NOT_MODIFIED = 304


def _stale(**headers: str | int | list[str]) -> Shop:
    """A shop with an answer that has been stale for 10 s."""
    shop = Shop()
    shop.get(fresh(10, etag='"a"', last_modified=-100, **headers))
    shop.later(20)
    return shop


def test_validators_are_sent_in_the_place_of_the_clients() -> None:
    """Both validators go; the client's own conditions and range are answered from the store."""
    shop = _stale()
    reply = Reply({"etag": '"a"'}, NOT_MODIFIED)
    got = shop.get(reply, if_none_match='"a"', if_modified_since="x", range="bytes=0-1", accept="x")
    since = format_date(START - 100)
    assert got.asked == {b"accept": b"x", b"if-none-match": b'"a"', b"if-modified-since": since}
    assert (got.status, got.then) == (304, Then.SERVE)
    shop.later(20)
    part = shop.get(reply, if_none_match='"x"', range="bytes=0-1")
    assert (part.status, part.body) == (206, b"co")


def test_304_freshens() -> None:
    """The stored body with the fields of both, good for as long as the new ones say."""
    shop = _stale(x_old="1", x_both="1", warning="110 - old")
    got = shop.get(
        Reply({"etag": '"a"', "x-both": "2", "date": 0, "age": "3", "content-length": "9"}, 304)
    )
    assert (got.status, got.body, got.plan.said) == (200, b"content", Said.REVALIDATED)
    assert got.headers[b"x-old"] == b"1"
    assert got.headers[b"x-both"] == b"2"
    assert got.headers[b"age"] == b"3"
    assert got.headers[b"content-length"] == b"7"
    assert got.headers[b"date"] == format_date(shop.now)
    assert b"warning" not in got.headers
    shop.later(6)
    assert shop.get(Reply()).headers[b"age"] == b"9"
    shop.later(1)
    assert not shop.get(Reply()).from_cache


@pytest.mark.parametrize("name", ["content-encoding", "content-range", "content-md5", "digest"])
def test_304_does_not_change_what_describes_the_bytes(name: str) -> None:
    """The bytes are still the old ones."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10", "etag": '"a"', name: "old"}))
    shop.later(20)
    assert shop.get(Reply({name: "new"}, 304)).headers[name.encode()] == b"old"


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ({"etag": '"a"'}, {"etag": '"b"'}),
        ({"etag": '"a"'}, {"etag": 'W/"b"'}),
        ({"etag": 'W/"a"'}, {"etag": '"a"'}),
        ({"last-modified": -100}, {"last-modified": -50}),
    ],
)
def test_304_about_something_else_is_asked_again(
    own: dict[str, str | int], theirs: dict[str, str | int]
) -> None:
    """It must not update what it does not name; the client's own request is sent instead."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10", **own}))
    shop.later(20)
    plan = shop.plan(Asking(headers={b"if-none-match": b'"x"'}))
    got = shop.forward(plan, Reply(theirs, 304))
    assert got.then is Then.REPEAT
    again = shop.forward(plan, fresh())
    assert again.asked == {b"if-none-match": b'"x"'}
    assert shop.get().from_cache


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ({"etag": '"a"'}, {}),
        ({"etag": '"a"'}, {"etag": 'W/"a"'}),
        ({"etag": 'W/"a"'}, {"etag": 'W/"a"'}),
        ({"last-modified": -100}, {"etag": '"a"'}),
    ],
)
def test_304_that_is_meant(own: dict[str, str | int], theirs: dict[str, str | int]) -> None:
    """Without validators it speaks of what was asked for; weak ones are compared weakly."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10", **own}))
    shop.later(20)
    assert shop.get(Reply(theirs, 304)).then is Then.SERVE
    assert shop.get().from_cache


def test_304_may_forbid_storing() -> None:
    """The client gets the answer, the next one asks anew."""
    shop = _stale()
    assert shop.get(Reply({"cache-control": "no-store"}, 304)).body == b"content"
    assert shop.cache.memory.entries == 0


def test_304_may_withhold_fields() -> None:
    """Fields that may not be reused are not stored with it."""
    shop = _stale(x_a="1", x_b="1")
    shop.get(Reply({"cache-control": 'max-age=60, no-cache="x-a"', "x-b": "2"}, 304))
    assert shop.get().headers.keys() & {b"x-a", b"x-b"} == {b"x-b"}


def test_change_during_a_validation() -> None:
    """The 304 was true before; what it freshened is not stored after the change."""
    shop = _stale()
    slow = shop.plan(Asking())
    shop.get(Reply(), method=b"POST")
    assert shop.forward(slow, Reply({"etag": '"a"'}, 304)).body == b"content"
    assert shop.cache.memory.entries == 0


@pytest.mark.parametrize("status", [206, 304, 416, 500, 503])
def test_answers_that_take_nobodys_place(status: int) -> None:
    """The stored answer without validators stays, for a range, a condition or an error."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10, stale-if-error=60"}))
    shop.later(90)
    shop.get(Reply(status=status), range="bytes=0-1", if_none_match='"a"')
    assert shop.cache.memory.entries == 1


def test_304_to_the_clients_own_condition_passes() -> None:
    """Nothing is stored, so nothing is freshened."""
    got = Shop().get(Reply({"etag": '"a"'}, 304), if_none_match='"a"')
    assert (got.status, got.then, got.asked) == (304, Then.PASS, {b"if-none-match": b'"a"'})


def test_new_answer_takes_the_place_of_the_old() -> None:
    """Whether it may be stored or not."""
    shop = _stale()
    assert shop.get(Reply({"cache-control": "max-age=10"}, body=b"new")).body == b"new"
    assert shop.get().body == b"new"
    shop.later(20)
    shop.get(Reply({"cache-control": "no-store"}))
    assert shop.cache.memory.entries == 0


def test_no_cache_is_stored_and_checked_every_time() -> None:
    """With a validator it saves the body."""
    shop = Shop()
    shop.get(Reply({"cache-control": "no-cache", "etag": '"a"'}))
    for _ in range(2):
        got = shop.get(Reply({"etag": '"a"'}, 304))
        assert (got.body, got.plan.kind) == (b"content", Kind.REVALIDATE)
    shop.get(Reply({"cache-control": "no-cache, max-age=60", "etag": '"a"'}))
    assert shop.get(Reply()).plan.kind is Kind.REVALIDATE
    shop.get(Reply({"cache-control": "no-cache, max-age=60"}), target=b"/b")
    assert shop.cache.memory.entries == 0


@pytest.mark.parametrize(
    ("headers", "entries"),
    [
        ({"cache-control": "max-age=60", "x": "2"}, 1),
        ({"etag": '"a"', "content-length": "7"}, 1),
        ({"etag": '"b"'}, 0),
        ({"content-length": "8"}, 0),
        ({"last-modified": 0}, 0),
    ],
)
def test_head_freshens_or_drops(headers: dict[str, str | int], entries: int) -> None:
    """The answer to a HEAD tells whether the stored GET still holds (RFC 9111 section 4.3.5)."""
    shop = _stale()
    got = shop.get(Reply(headers), method=b"HEAD")
    assert got.asked is not None
    assert shop.cache.memory.entries == entries
    if headers.get("x"):
        assert shop.get().headers[b"x"] == b"2"


def test_head_is_not_stored() -> None:
    """It has no body to serve."""
    shop = Shop()
    shop.get(fresh(), method=b"HEAD")
    assert shop.cache.memory.entries == 0


# ---------------------------------------------------------------- Vary


@pytest.mark.parametrize(
    ("vary", "first", "second", "same"),
    [
        ("x", {"x": "1"}, {"x": "1"}, True),
        ("X", {"x": "1"}, {"x": "1"}, True),
        ("x", {"x": "1"}, {"x": "2"}, False),
        ("x", {"x": "1"}, {}, False),
        ("x", {}, {"x": "1"}, False),
        ("x", {}, {}, True),
        ("x", {"x": "1"}, {"x": "1", "y": "2"}, True),
        ("x, y", {"x": "1", "y": "2"}, {"y": "2", "x": "1"}, True),
        ("x, y", {"x": "1", "y": "2"}, {"x": "1"}, False),
        ("x", {"x": "1,2"}, {"x": " 1, 2 "}, True),
        ("x", {"x": "a"}, {"x": "A"}, False),
        ("x", {"x": "1,2"}, {"x": "2,1"}, False),
        ("x", {"x": '"1,2"'}, {"x": '"1, 2"'}, False),
        ("accept-language", {"accept_language": "en, de"}, {"accept_language": "EN,DE"}, True),
        ("accept-language", {"accept_language": "en, de"}, {"accept_language": "de, en"}, False),
        ("accept-encoding", {"accept_encoding": "br, gzip"}, {"accept_encoding": "GZIP,br"}, True),
        ("accept-encoding", {"accept_encoding": "br;q=1"}, {"accept_encoding": "br; q=1"}, True),
        ("accept-encoding", {"accept_encoding": "br"}, {"accept_encoding": "gzip"}, False),
    ],
)
def test_vary(vary: str, first: dict[str, str], second: dict[str, str], same: bool) -> None:
    """Equal values of the named fields serve the same answer; spelling may differ, meaning not."""
    shop = Shop()
    shop.get(fresh(vary=vary), **first)
    got = shop.get(Reply(), **second)
    assert got.from_cache is same
    if not same:
        assert got.plan.why is Why.VARY_MISS


def test_variants_stand_side_by_side() -> None:
    """Each is found again, and renewed by itself."""
    shop = Shop()
    for language in ("en", "de"):
        reply = fresh(vary="accept-language")
        shop.get(Reply(reply.headers, body=language.encode()), accept_language=language)
    assert shop.get(accept_language="en").body == b"en"
    assert shop.get(accept_language="de").body == b"de"
    assert shop.cache.memory.entries == 2


def test_newest_of_those_that_suit() -> None:
    """When answers vary in different ways, the latest one that suits counts."""
    shop = Shop()
    shop.get(Reply(fresh(vary="x").headers, body=b"old"), x="1", y="1")
    shop.later(1)
    shop.get(Reply(fresh(vary="y").headers, body=b"new"), x="2", y="1")
    assert shop.get(x="1", y="1").body == b"new"
    assert shop.get(x="1", y="2").body == b"old"


@pytest.mark.parametrize(
    "vary", ["Ficus-Subject", "x, X-Ficus-Scopes", "X-Forwarded-For", "Forwarded", "x-renamed"]
)
def test_what_we_write_ourselves_cannot_select(vary: str) -> None:
    """The client's field is not what the upstream saw: such answers are for one reader."""
    shop = Shop()
    shop.rules = type(shop.rules)("shop", shop.rules.policy, frozenset({b"x-renamed"}))
    assert not shop.stores(fresh(vary=vary))
    assert shop.stores(fresh(vary="x"))


# ---------------------------------------------------------------- invalidation


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"M-SEARCH"])
@pytest.mark.parametrize("status", [200, 204, 303])
def test_unsafe_success_invalidates(method: bytes, status: int) -> None:
    """All variants of the URI, on whichever route and upstream."""
    shop = Shop()
    shop.get(fresh(vary="x"), x="1")
    shop.get(fresh(vary="x"), x="2")
    shop.upstream = "service"
    shop.get(fresh())
    shop.get(fresh(), target=b"/other")
    shop.get(Reply(status=status), method=method)
    assert shop.cache.memory.entries == 1
    assert shop.get(target=b"/other").from_cache


@pytest.mark.parametrize(
    ("method", "status"),
    [(b"POST", 400), (b"POST", 500), (b"GET", 200), (b"OPTIONS", 200), (b"HEAD", 404)],
)
def test_failures_and_safe_methods_do_not_invalidate(method: bytes, status: int) -> None:
    """Nothing has changed."""
    shop = Shop()
    shop.get(fresh())
    shop.get(Reply(status=status), method=method)
    assert shop.get().from_cache


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("reference", "gone"),
    [
        ("/a/b?c=1", True),
        ("b?c=1", True),
        ("https://shop.example/a/b?c=1#x", True),
        ("https://SHOP.example:8443/a/b?c=1", True),
        ("//shop.example/a/b?c=1", True),
        ("https://evil.example/a/b?c=1", False),
        ("/a/b", False),
        ("http://[", False),
    ],
)
def test_named_locations_are_invalidated(name: str, reference: str, gone: bool) -> None:
    """What the answer names on the same host is gone too."""
    shop = Shop()
    shop.get(fresh(), target=b"/a/b?c=1")
    shop.get(Reply({name: reference}, 201), method=b"POST", target=b"/a/c")
    assert shop.get(Reply(), target=b"/a/b?c=1").from_cache is not gone


def test_answers_asked_for_before_a_change_are_not_stored_after_it() -> None:
    """A slow GET must not bring back what a POST has changed meanwhile."""
    shop = Shop()
    slow = shop.plan(Asking())
    shop.later(1)
    shop.get(Reply(), method=b"POST")
    shop.later(1)
    shop.forward(slow, fresh())
    assert not shop.get(Reply()).from_cache
    shop.get(fresh())
    assert shop.get().from_cache
