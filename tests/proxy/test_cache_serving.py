"""What a stored answer says to a client: whole, not modified, a part of it, or stale."""

from __future__ import annotations

import pytest

from strangler_proxy.cache.dates import format_date
from strangler_proxy.cache.planning import Said
from tests.proxy.cached_shop import START, Reply, Shop, fresh


def test_hit() -> None:
    """Status, fields and body as they came, with Age; lines say the same as fields."""
    shop = Shop()
    shop.get(fresh(x_a="1"))
    shop.later(7)
    got = shop.get()
    assert (got.status, got.body, got.headers[b"age"], got.headers[b"x-a"]) == (
        *(200, b"content", b"7"),
        b"1",
    )
    assert got.plan.said is Said.HIT
    answer = got.plan.answer
    assert answer is not None
    assert answer.lines() == b"".join(b"%b: %b\r\n" % pair for pair in answer.fields())


def test_head_is_answered_from_a_stored_get() -> None:
    """The same head, no body."""
    shop = Shop()
    shop.get(fresh())
    got = shop.get(method=b"HEAD")
    assert (got.from_cache, got.body, got.headers[b"content-length"]) == (True, b"", b"7")


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ('"a"', 304),
        ('W/"a"', 304),
        ('"x", "a"', 304),
        ('"a,b"', 200),
        ("*", 304),
        ('"b"', 200),
        ("a", 200),
        ("", 200),
    ],
)
def test_if_none_match(tags: str, status: int) -> None:
    """Tags are compared weakly, whatever else the client asks."""
    shop = Shop()
    shop.get(fresh(etag='"a"', x_a="1"))
    since = format_date(START - 9999).decode()
    got = shop.get(if_none_match=tags, if_modified_since=since, range="bytes=0-0")
    assert got.status == (206 if status == 200 else status)
    if status == 304:
        assert (got.body, b"x-a" in got.headers, got.headers[b"etag"]) == (b"", False, b'"a"')
        assert b"content-length" not in got.headers


@pytest.mark.parametrize(
    ("headers", "since", "status"),
    [
        ({"last_modified": -100}, -100, 304),
        ({"last_modified": -100}, -99, 304),
        ({"last_modified": -100}, -101, 200),
        ({}, 0, 304),
        ({}, -1, 200),
    ],
)
def test_if_modified_since(headers: dict[str, int], since: int, status: int) -> None:
    """Last-Modified is compared, or else when the answer was made."""
    shop = Shop()
    shop.get(fresh(**headers))
    assert shop.get(if_modified_since=format_date(START + since).decode()).status == status


def test_conditions_do_not_change_errors() -> None:
    """A stored 404 stays one."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=60", "etag": '"a"'}, 404))
    assert shop.get(if_none_match='"a"', range="bytes=0-1").status == 404


@pytest.mark.parametrize(
    ("wanted", "status", "body", "span"),
    [
        ("bytes=0-1", 206, b"co", b"bytes 0-1/7"),
        ("bytes=5-", 206, b"nt", b"bytes 5-6/7"),
        ("bytes=5-99", 206, b"nt", b"bytes 5-6/7"),
        ("bytes=-2", 206, b"nt", b"bytes 5-6/7"),
        ("bytes=-99", 206, b"content", b"bytes 0-6/7"),
        ("Bytes=0-0", 206, b"c", b"bytes 0-0/7"),
        ("bytes=7-", 416, b"", b"bytes */7"),
        ("bytes=-0", 416, b"", b"bytes */7"),
        ("bytes=2-1", 200, b"content", None),
        ("bytes=-", 200, b"content", None),
        ("bytes=0-1,3-4", 200, b"content", None),
        ("lines=0-1", 200, b"content", None),
        ("bytes=x", 200, b"content", None),
    ],
)
def test_ranges(wanted: str, status: int, body: bytes, span: bytes | None) -> None:
    """One range of bytes is cut out; what is not understood gets the whole."""
    shop = Shop()
    shop.get(fresh())
    got = shop.get(range=wanted)
    assert (got.status, got.body, got.headers.get(b"content-range")) == (status, body, span)
    assert got.headers[b"content-length"] == b"%d" % len(body)


@pytest.mark.parametrize(
    ("named", "status"),
    [('"a"', 206), ('W/"a"', 200), ('"b"', 200), ("same", 206), ("other", 200), ("junk", 200)],
)
def test_if_range(named: str, status: int) -> None:
    """A part is served only of what is surely the same."""
    shop = Shop()
    shop.get(fresh(etag='"a"', last_modified=-100))
    dates = {"same": format_date(START - 100).decode(), "other": format_date(START).decode()}
    assert shop.get(range="bytes=0-1", if_range=dates.get(named, named)).status == status


def test_if_range_with_weak_validators() -> None:
    """A weak tag, or a date of the same second, is not sure enough."""
    shop = Shop()
    shop.get(fresh(etag='W/"a"', last_modified=0))
    assert shop.get(range="bytes=0-1", if_range='W/"a"').status == 200
    assert shop.get(range="bytes=0-1", if_range=format_date(START).decode()).status == 200


def test_range_is_forwarded_on_a_miss() -> None:
    """The upstream's 206 passes through and is not stored."""
    shop = Shop()
    got = shop.get(Reply({"cache-control": "max-age=60"}, 206), range="bytes=0-1")
    assert got.asked == {b"range": b"bytes=0-1"}
    assert not shop.get(Reply()).from_cache


@pytest.mark.parametrize(
    ("wish", "from_cache"),
    [
        ("no-cache", False),
        ("max-age=9", False),
        ("max-age=10", True),
        ("max-age=0", False),
        ("min-fresh=50", True),
        ("min-fresh=51", False),
        ("max-stale", True),
        ("only-if-cached", True),
        ("something-else", True),
    ],
)
def test_clients_wishes_about_fresh_answers(wish: str, from_cache: bool) -> None:
    """RFC 9111 section 5.2.1; the answer is 10 s old and good for 50 more."""
    shop = Shop()
    shop.get(fresh(60))
    shop.later(10)
    assert shop.get(Reply(), cache_control=wish).from_cache is from_cache


@pytest.mark.parametrize(
    ("said", "wish", "from_cache"),
    [
        ("", "max-stale=11", True),
        ("", "max-stale=10", False),
        ("", "max-stale", True),
        ("", "max-stale=x", False),
        (", must-revalidate", "max-stale", False),
        (", proxy-revalidate", "max-stale", False),
        (", no-cache", "max-stale", False),
        (", s-maxage=60", "max-stale", False),
    ],
)
def test_clients_wishes_about_stale_answers(said: str, wish: str, from_cache: bool) -> None:
    """A client may take stale answers unless the origin forbids it; this one is so for 10 s."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=60" + said, "etag": '"a"'}))
    shop.later(70)
    got = shop.get(Reply(), cache_control=wish)
    assert got.from_cache is from_cache
    assert got.plan.said is (Said.STALE if from_cache else Said.MISS)


def test_only_if_cached() -> None:
    """Nothing usable is 504, without asking anybody."""
    shop = Shop()
    assert shop.get(fresh(), cache_control="only-if-cached").status == 504
    shop.get(fresh(60))
    shop.later(60)
    got = shop.get(fresh(), cache_control="only-if-cached")
    assert (got.status, got.from_cache, got.plan.said) == (504, True, Said.REFUSED)


def test_pragma_is_ignored() -> None:
    """RFC 9111 section 5.4."""
    shop = Shop()
    shop.get(fresh())
    assert shop.get(Reply(), pragma="no-cache").from_cache


def test_stale_while_revalidate() -> None:
    """Served at once while one request renews it; after the window it is not."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10, stale-while-revalidate=20", "etag": '"a"'}))
    shop.later(15)
    assert not shop.get(method=b"HEAD").plan.background
    first, second = shop.get(), shop.get()
    assert (first.plan.said, first.plan.background) == (Said.STALE, True)
    assert (second.plan.said, second.plan.background) == (Said.STALE, False)
    renewing = shop.forward(first.plan, Reply({"etag": '"a"'}, 304))
    assert renewing.asked == {b"if-none-match": b'"a"'}
    assert shop.get().plan.said is Said.HIT
    shop.later(30)
    assert not shop.get(Reply()).from_cache


def test_failed_renewal_is_tried_again_later() -> None:
    """Not with every request."""
    shop = Shop()
    more = "stale-while-revalidate=99, stale-if-error=99"
    shop.get(Reply({"cache-control": f"max-age=1, {more}"}))
    shop.later(2)
    plan = shop.get().plan
    assert plan.background
    assert shop.cache.on_failure(plan, shop.now) is None
    shop.cache.finish(plan, shop.now)
    assert not shop.get().plan.background
    shop.later(10)
    assert shop.get().plan.background


@pytest.mark.parametrize("status", [None, 500, 502, 503, 504])
def test_stale_if_error(status: int | None) -> None:
    """A stale answer stands in for an error within its time, and not after it."""
    error = None if status is None else Reply(status=status)
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10, stale-if-error=20"}))
    shop.later(30)
    got = shop.get(error)
    assert (got.status, got.body, got.plan.said) == (200, b"content", Said.STALE)
    shop.later(1)
    assert shop.get(error).status == (status or 502)


def test_other_errors_are_passed_on() -> None:
    """404 is an answer."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10, stale-if-error=20"}))
    shop.later(15)
    assert shop.get(Reply(status=404)).status == 404


def test_stale_if_error_of_route_and_client() -> None:
    """The route's setting is for answers that say nothing; the client may ask for it."""
    shop = Shop(stale_if_error_seconds=20.0)
    shop.get(fresh(10))
    shop.get(Reply({"cache-control": "max-age=10, stale-if-error=0"}), target=b"/no")
    shop.later(15)
    assert shop.get().status == 200
    assert shop.get(target=b"/no").status == 502
    patient = Shop()
    patient.get(fresh(10, etag='"a"'))
    patient.later(15)
    assert patient.get(cache_control="stale-if-error=9").status == 200


@pytest.mark.parametrize("said", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=10"])
def test_strict_answers_are_never_served_stale(said: str) -> None:
    """Neither on an error nor while they are renewed."""
    shop = Shop(stale_if_error_seconds=99.0)
    more = "max-age=10, stale-if-error=99, stale-while-revalidate=99, "
    shop.get(Reply({"cache-control": more + said, "etag": '"a"'}))
    shop.later(15)
    got = shop.get(None)
    assert (got.status, got.from_cache) == (502, False)


def test_who_wants_it_checked_gets_no_stale_answer() -> None:
    """A client's no-cache holds on errors too."""
    shop = Shop(stale_if_error_seconds=99.0)
    shop.get(fresh(10))
    assert shop.get(None, cache_control="no-cache").status == 502


def test_last_resort() -> None:
    """The fallback of a route gives what there is, whatever its age."""
    shop = Shop()
    shop.get(Reply({"cache-control": "max-age=10, must-revalidate", "etag": '"a"'}))
    shop.later(99_999)
    got = shop.get(None)
    assert got.status == 502
    answer = shop.cache.last_resort(got.plan, shop.now)
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"content")
    assert shop.cache.last_resort(shop.get(None, target=b"/b").plan, shop.now) is None
    assert shop.cache.last_resort(shop.get(None, method=b"POST").plan, shop.now) is None


def test_cache_status() -> None:
    """RFC 9211, after what caches before us said; none unless the route wants it."""
    shop = Shop(status_header=True)
    reply = Reply(
        {"cache-control": "max-age=10, stale-if-error=9", "cache-status": "inner; hit"}, body=b"a"
    )
    assert shop.get(reply).headers[b"cache-status"] == (
        b"inner; hit, ficus; fwd=uri-miss; fwd-status=200; stored"
    )
    shop.later(3)
    assert shop.get().headers[b"cache-status"] == b"inner; hit, ficus; hit; ttl=7"
    shop.later(9)
    assert (
        shop.get(None).headers[b"cache-status"].endswith(b"ficus; fwd=stale; detail=stale-if-error")
    )
    got = shop.get(Reply({"cache-control": "no-store"}))
    assert got.headers[b"cache-status"] == b"ficus; fwd=stale; fwd-status=200"
    posted = shop.get(Reply(), method=b"POST")
    assert posted.headers[b"cache-status"] == b"ficus; fwd=method; fwd-status=200"
    assert b"cache-status" not in Shop().get(Reply()).headers
