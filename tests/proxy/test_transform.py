"""Rules of a route: headers, targets and JSON bodies, and what follows for the rest of the head."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy import config
from strangler_proxy.errors import TableRefused
from strangler_proxy.transform import rules as transform
from strangler_proxy.transform.bodies import BodyRules
from strangler_proxy.transform.headers import HeaderRules
from strangler_proxy.transform.rules import (
    RequestRules,
    Scope,
    asking_for_plain_json,
    compile_request_rules,
    compile_response_rules,
)
from strangler_proxy.transform.targets import TargetRules

FIELDS = [(b"Accept", b"*/*"), (b"X-Old", b"1"), (b"Cookie", b"a=b"), (b"x-old", b"2")]


def request_rules(prefix: str = "/api", **rules: Any) -> RequestRules:
    """Compiled rules that are there."""
    compiled = compile_request_rules(config.RequestRules(**rules), prefix)
    assert compiled is not None
    return compiled


def headers(**rules: Any) -> HeaderRules:
    """Compiled header rules."""
    return HeaderRules(config.Headers(**rules))


def target(query: str, **rules: Any) -> str:
    """A query after the rules."""
    changed = request_rules(query=config.Fields(**rules)).head(f"/p{query}".encode(), [])[0]
    return changed.decode().removeprefix("/p")


def moved(path: str, route: str, prefix: str) -> str:
    """A target after its prefix was replaced."""
    return TargetRules(prefix, config.Fields(), route).apply(path.encode()).decode()


def body(content: str, **rules: Any) -> str | None:
    """A body after the rules."""
    changed = BodyRules(config.Fields(**rules)).change(content.encode())
    return None if changed is None else changed.decode()


def reasons(rules: config.RequestRules | config.ResponseRules) -> list[str]:
    """What is said about rules that cannot be used."""
    try:
        if isinstance(rules, config.RequestRules):
            compile_request_rules(rules, "/api", "$.routes[3].request")
        else:
            compile_response_rules(rules, "$.routes[3].response")
    except TableRefused as refused:
        return [str(finding) for finding in refused.findings]
    return []


# ---------------------------------------------------------------- no rules


@pytest.mark.parametrize("rules", [None, config.RequestRules()])
def test_route_without_rules_has_no_transform(rules: config.RequestRules | None) -> None:
    """No rules compile to None, which costs the data path one comparison."""
    assert compile_request_rules(rules, "/api") is None
    assert compile_response_rules(None) is None
    assert compile_response_rules(config.ResponseRules()) is None


def test_parts_without_rules_are_none_and_change_nothing() -> None:
    """Rules for the query leave the fields the same object and know of no body."""
    rules = request_rules(query=config.Fields(remove=("a",)))
    assert rules.headers is None
    assert rules.body is None
    changed, fields = rules.head(b"/x?a=1", FIELDS)
    assert changed == b"/x"
    assert fields is FIELDS


# ---------------------------------------------------------------- headers


def test_removed_header_goes_in_every_spelling() -> None:
    """All fields of a removed name go; the others are the same, in their order."""
    assert headers(remove=("X-OLD",)).apply(FIELDS) == [FIELDS[0], FIELDS[2]]


def test_renamed_header_keeps_value_and_place() -> None:
    """Each field of the old name gets the new one where it stands."""
    assert headers(rename={"x-Old": "X-New"}).apply(FIELDS) == [
        *((b"Accept", b"*/*"), (b"X-New", b"1"), (b"Cookie", b"a=b"), (b"X-New", b"2"))
    ]


def test_header_that_has_the_new_name_already_stays() -> None:
    """Where both names came, the field under the new name is the one that counts."""
    fields = [(b"x-new", b"mine"), (b"X-Old", b"theirs")]
    assert headers(rename={"X-Old": "X-New"}).apply(fields) == [(b"x-new", b"mine")]


def test_removing_the_new_name_first_lets_the_rename_win() -> None:
    """Remove comes before rename: what a caller claims under the new name is gone."""
    fields = [(b"x-new", b"claimed"), (b"X-Old", b"real")]
    rules = headers(remove=("X-New",), rename={"X-Old": "X-New"})
    assert rules.apply(fields) == [(b"X-New", b"real")]


def test_header_names_can_be_swapped() -> None:
    """All renames happen at once."""
    rules = headers(rename={"A": "B", "B": "A"})
    assert rules.apply([(b"a", b"1"), (b"b", b"2")]) == [(b"B", b"1"), (b"A", b"2")]


def test_set_header_replaces_all_of_that_name() -> None:
    """One field with the set value, whatever came."""
    rules = headers(set={"X-Old": " 9 ", "X-Also": "ü"})
    assert rules.apply(FIELDS) == [FIELDS[0], FIELDS[2], (b"X-Old", b"9"), (b"X-Also", b"\xfc")]


def test_added_header_stands_beside_those_that_came() -> None:
    """One field more; what came stays."""
    assert headers(add={"X-Old": "3"}).apply(FIELDS) == [*FIELDS, (b"X-Old", b"3")]


def test_fields_may_be_the_items_of_a_dict() -> None:
    """The head hands its fields over as a view."""
    fields = {b"A": b"1", b"B": b"2"}
    assert headers(remove=("b",)).apply(fields.items()) == [(b"A", b"1")]


names = st.sampled_from(["X-A", "x-a", "X-B", "x-b", "X-C", "X-D"])
pairs = st.lists(st.tuples(names.map(str.encode), st.binary(max_size=3)), max_size=8)


@given(pairs)
def test_rename_and_its_inverse_leave_headers_as_they_were(
    fields: list[tuple[bytes, bytes]],
) -> None:
    """Values and order survive a rename to a new name and back."""
    there = headers(rename={"X-A": "Y-A", "X-B": "Y-B"})
    back = headers(rename={"Y-A": "x-a", "Y-B": "x-b"})
    lower = [(name.lower(), value) for name, value in fields]
    assert [(n.lower(), v) for n, v in back.apply(there.apply(fields))] == lower


@given(pairs)
def test_fields_that_no_rule_names_pass_untouched(fields: list[tuple[bytes, bytes]]) -> None:
    """Their bytes and their order are those that came."""
    rules = headers(remove=("X-A",), rename={"X-B": "X-E"}, set={"X-D": "1"}, add={"X-F": "1"})
    kept = [field for field in rules.apply(fields) if field[0].lower() == b"x-c"]
    assert kept == [field for field in fields if field[0].lower() == b"x-c"]


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "keep-alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding"),
        *("Upgrade", "Host", "content-length", "Content-Encoding", "Content-Range", "Expect"),
        *("Proxy-Authorization", "X-Forwarded-For", "X-Request-Id", "traceparent"),
        *("Ficus-Subject", "X-Ficus-Anything"),
    ],
)
@pytest.mark.parametrize("kind", ["remove", "rename", "renamed-to", "set", "add"])
def test_header_that_frames_the_message_is_refused(name: str, kind: str) -> None:
    """No rule names a field of the connection, of the framing or of the front door itself."""
    rules = {
        "remove": config.Headers(remove=(name,)),
        "rename": config.Headers(rename={name: "X-New"}),
        "renamed-to": config.Headers(rename={"X-Old": name}),
        "set": config.Headers(set={name: "1"}),
        "add": config.Headers(add={name: "1"}),
    }[kind]
    (reason,) = reasons(config.RequestRules(headers=rules))
    assert reason.startswith("$.routes[3].request.headers.")
    assert f"{name} frames the message or is the front door's own" in reason


@pytest.mark.parametrize("name", ["Connection", "Content-Length", "Ficus-Fenced", "X-Request-Id"])
def test_answers_have_such_headers_too(name: str) -> None:
    """The same for rules on the way out."""
    (reason,) = reasons(config.ResponseRules(headers=config.Headers(set={name: "1"})))
    assert reason.startswith(f"$.routes[3].response.headers.set.{name}: ")


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "a\rb", "a\0b", "\x7f", "snow ☃"])
@pytest.mark.parametrize("kind", ["set", "add"])
def test_value_that_breaks_the_head_is_refused(value: str, kind: str) -> None:
    """CR, LF, NUL and what Latin-1 has not never get into a head."""
    rules = {"X-A": value}
    chosen = config.Headers(set=rules) if kind == "set" else config.Headers(add=rules)
    found = reasons(config.RequestRules(headers=chosen))
    assert found == [f"$.routes[3].request.headers.{kind}.X-A: a value is one line of Latin-1 text"]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü"])
def test_header_name_that_is_none_is_refused(name: str) -> None:
    """A name is a token of RFC 9110."""
    (reason,) = reasons(config.RequestRules(headers=config.Headers(remove=(name,))))
    assert "is not the name of a header" in reason


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (config.Headers(remove=("X-A",), rename={"x-a": "X-B"}), "x-a is removed before"),
        (config.Headers(rename={"X-A": "X-C", "X-B": "x-c"}), "another header is renamed to x-c"),
        (config.Headers(rename={"X-A": "X-B"}, set={"x-b": "1"}), "set replaces it"),
        (config.Headers(set={"X-A": "1", "x-a": "2"}), "a name stands there twice"),
        (config.Headers(add={"Content-Type": "a/b"}), "use set instead of add"),
    ],
)
def test_header_rules_that_contradict_each_other_are_refused(
    rules: config.Headers, reason: str
) -> None:
    """A rule that could never do anything is a mistake."""
    assert any(reason in found for found in reasons(config.RequestRules(headers=rules)))


# ---------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("path", "route", "prefix", "expected"),
    [
        ("/api/v1/a?b=%2f", "/api", "/v2", "/v2/v1/a?b=%2f"),
        ("/api", "/api", "/v2", "/v2"),
        ("/api/", "/api", "/v2", "/v2/"),
        ("/api?x", "/api", "/", "/?x"),
        ("/api/x", "/api", "/", "/x"),
        ("/x", "/", "/api/", "/api/x"),
        ("/", "/", "/api", "/api/"),
        ("/api/x", "/api/", "/v2/", "/v2/x"),
        ("/a%70i/x%2Fy", "/api", "/v2", "/v2/x%2Fy"),
        ("/apix", "/api", "/v2", "/apix"),
        ("/other", "/api", "/v2", "/other"),
        ("/a%2Fb", "/a/b", "/v2", "/a%2Fb"),
        ("//api//v1/x", "/api/v1", "/v2", "/v2/x"),
        ("/api//v1", "/api/v1", "/v2", "/v2"),
        ("*", "/", "/v2", "*"),
        ("http://h/api/x", "/api", "/v2", "http://h/api/x"),
    ],
)
def test_prefix_is_replaced_by_whole_segments(
    path: str, route: str, prefix: str, expected: str
) -> None:
    """Only the route's own prefix changes, however it is spelled; the rest keeps its bytes."""
    assert moved(path, route, prefix) == expected


@given(st.from_regex(r"(/[a-z%2F.]{0,5}){0,4}(\?[a-z=&%]{0,9})?", fullmatch=True))
def test_prefix_and_its_inverse_leave_the_target_as_it_was(rest: str) -> None:
    """What was replaced can be put back."""
    assert moved(moved("/api/v1" + rest, "/api/v1", "/in/ner"), "/in/ner", "/api/v1") == (
        "/api/v1" + rest
    )


@pytest.mark.parametrize(
    ("query", "rules", "expected"),
    [
        ("?a=1&b=%20+x&c", {"remove": ("a",)}, "?b=%20+x&c"),
        ("?a=1&b=2&a=3", {"remove": ("a",)}, "?b=2"),
        ("?%61=1&b=2", {"remove": ("a",)}, "?b=2"),
        ("?a+b=1&c", {"remove": ("a b",)}, "?c"),
        ("?a=1", {"remove": ("a",)}, ""),
        ("?a=1&&b=2&", {"remove": ("x",)}, "?a=1&&b=2&"),
        ("?", {"remove": ("x",)}, "?"),
        ("", {"remove": ("x",)}, ""),
        ("?q=%e2%98%83&x=1", {"rename": {"q": "search"}}, "?search=%e2%98%83&x=1"),
        ("?q=1&q&q=", {"rename": {"q": "s s"}}, "?s+s=1&s+s&s+s="),
        ("?q=1&s=2", {"rename": {"q": "s"}}, "?s=2"),
        ("?a=1&b=2", {"rename": {"a": "b", "b": "a"}}, "?b=1&a=2"),
        (
            "?a=1",
            {"add": {"b": "x y&z", "c": True, "d": 1.5, "e": None}},
            "?a=1&b=x+y%26z&c=true&d=1.5&e",
        ),
        ("", {"add": {"b": 1}}, "?b=1"),
        ("?b=2", {"add": {"b": 1}}, "?b=2"),
        ("?%62", {"add": {"b": 1}}, "?%62"),
        ("?a=2", {"rename": {"a": "b"}, "add": {"b": 1}}, "?b=2"),
        ("?b=2", {"remove": ("b",), "add": {"b": 1}}, "?b=1"),
        ("?a=1=2", {"rename": {"a": "b"}}, "?b=1=2"),
    ],
)
def test_query_rules(query: str, rules: dict[str, Any], expected: str) -> None:
    """Remove, rename, add where missing; other parameters keep bytes, order and empty places."""
    assert target(query, **rules) == expected


@given(st.from_regex(r"[a-c%1=+&]{0,20}", fullmatch=True))
def test_parameters_that_no_rule_names_keep_their_bytes(query: str) -> None:
    """Rules for other names change no byte of any query."""
    assert target("?" + query, remove=("zz",), rename={"yy": "xx"}) == "?" + query


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (config.Fields(remove=("a",), rename={"a": "b"}), "a is removed before"),
        (config.Fields(rename={"a": "c", "b": "c"}), "another parameter is renamed to c"),
        (config.Fields(remove=("",)), "a parameter needs a name"),
        (config.Fields(add={"a": float("nan")}), "nan is not a number"),
    ],
)
def test_query_rules_that_make_no_sense_are_refused(query: config.Fields, reason: str) -> None:
    """The finding says where and why."""
    (found,) = reasons(config.RequestRules(query=query))
    assert found.startswith("$.routes[3].request.query")
    assert reason in found


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    ("content", "rules", "expected"),
    [
        ('{"a":1,"b":2}', {"remove": ("a",)}, '{"b":2}'),
        ('{"a":{"b":1,"c":2}}', {"remove": ("a.b",)}, '{"a":{"c":2}}'),
        (
            '{"l":[{"s":1,"t":2},{"s":3},5,null]}',
            {"remove": ("l[].s",)},
            '{"l":[{"t":2},{},5,null]}',
        ),
        ('[{"a":1},{"a":2}]', {"rename": {"[].a": "b"}}, '[{"b":1},{"b":2}]'),
        ('{"m":[[{"a":1}]]}', {"rename": {"m[][].a": "b"}}, '{"m":[[{"b":1}]]}'),
        ('{"a":1,"c":2}', {"rename": {"a": "b"}}, '{"b":1,"c":2}'),
        ('{"a":1,"b":2}', {"rename": {"a": "b"}}, '{"b":2}'),
        ('{"b":2,"a":1}', {"rename": {"a": "b"}}, '{"b":2}'),
        ('{"a":1,"b":2}', {"rename": {"a": "b", "b": "a"}}, '{"b":1,"a":2}'),
        ('{"a":1,"b":2}', {"rename": {"a": "b", "b": "c"}}, '{"b":1,"c":2}'),
        ('{"a":1,"b":2}', {"remove": ("b",), "rename": {"a": "b"}}, '{"b":1}'),
        ('{"a":{"x":1}}', {"rename": {"a": "b", "a.x": "y"}}, '{"b":{"y":1}}'),
        ('{"a":{"x":1}}', {"rename": {"a": "b"}, "add": {"b.z": 2}}, '{"b":{"x":1,"z":2}}'),
        ('{"a":null}', {"add": {"a": 1, "b": None}}, '{"a":null,"b":null}'),
        ('{"a":1}', {"add": {"b.c": 1}}, '{"a":1}'),
        ('{"a":1}', {"remove": ("a",), "add": {"a": "x"}}, '{"a":"x"}'),
        ('{"l":[{},{"q":1}]}', {"add": {"l[].q": 9, "n": 0.5}}, '{"l":[{"q":9},{"q":1}],"n":0.5}'),
        ('{"a":[1]}', {"remove": ("a.b",)}, '{"a":[1]}'),
        ('{"a":{"b":1}}', {"remove": ("a[].b",)}, '{"a":{"b":1}}'),
        ('[{"a":1}]', {"remove": ("a",)}, '[{"a":1}]'),
        (' {"a":1}\n', {"remove": ("a",)}, "{}"),
        ('"text"', {"remove": ("a",)}, '"text"'),
        ("", {"remove": ("a",)}, ""),
        ('{"ü b":1}', {"rename": {"ü b": "c"}}, '{"c":1}'),
        ('{"\\u0061":1}', {"remove": ("a",)}, "{}"),
        ('{"a":1,"x":0,"a":2}', {"remove": ("x",)}, '{"a":2}'),
    ],
)
def test_body_rules(content: str, rules: dict[str, Any], expected: str) -> None:
    """Remove, rename in place, add where missing; a path that does not fit does nothing."""
    assert body(content, **rules) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("1.0", "0.10", "-0", "-0.0", "1e400", "1E+5", "12345678901234567890123456789"),
        *("3.14159265358979323846264338327950288", "9007199254740993", '"\\u00e9\\/"'),
        *('"\\ud83d\\ude00"', "[1.0, 2.50]", '{"x" : 1.00}', "true", "null"),
    ],
)
def test_value_that_no_rule_names_keeps_its_bytes(value: str) -> None:
    """Numbers keep their digits, strings their escapes: they are never decoded."""
    content = f'{{"a": 1, "v": {value}, "l": [{{"b": 1, "w": {value}}}]}}'
    expected = f'{{"v":{value},"l":[{{"w":{value},"n":1}}]}}'
    assert body(content, remove=("a", "l[].b"), add={"l[].n": 1}) == expected


def test_body_that_no_rule_changes_is_the_same_object() -> None:
    """The data path sees by identity that the head can stay as it came."""
    content = b'{"a" : 1.0 , "l":[{"x":1}]}'
    rules = BodyRules(config.Fields(remove=("b", "l[].y"), rename={"c": "d"}, add={"a": 2}))
    assert rules.change(content) is content


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"nonsense", b'{"a":1}x', b"{'a':1}", b'{"a":NaN}', b"\xef\xbb\xbf{}", b"  "),
        *(b'{"a":01}', b'{"a":1,}', b'{"\xff":1}', b'{"\\ud800":1}'),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="bomb"),
        pytest.param(b'{"a":' * 100_000, id="open-bomb"),
    ],
)
def test_body_that_is_not_json_is_told_apart(content: bytes) -> None:
    """None, not an exception: the caller refuses a request and lets an answer pass."""
    assert BodyRules(config.Fields(remove=("a",))).change(content) is None


@given(st.binary(max_size=60))
def test_no_bytes_make_the_body_rules_fail(content: bytes) -> None:
    """Whatever comes, the outcome is bytes or None."""
    rules = BodyRules(config.Fields(remove=("a.b", "[].c"), add={"d": 1}))
    for text in (content, b'{"a":' + content + b"}", b'[{"c":' + content + b"}]"):
        assert isinstance(rules.change(text), bytes | None)


member_names = st.sampled_from("abcd")
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(member_names, inner, max_size=4),
    max_leaves=12,
)
paths = st.lists(st.tuples(member_names, st.integers(0, 2)), min_size=1, max_size=3).map(
    lambda steps: (
        ".".join(n + "[]" * e for n, e in steps[:-1]) + "." * (len(steps) > 1) + steps[-1][0]
    )
)


def places(value: Any, path: str) -> list[dict[str, Any]]:
    """Every object that a path's last name is a member of: the rules, read word by word."""
    *outer, _ = path.split(".")
    found = [value]
    for step in outer:
        name, depth = step.rstrip("[]"), step.count("[]")
        found = [one[name] for one in found if isinstance(one, dict) and name in one]
        for _ in range(depth):
            found = [item for one in found if isinstance(one, list) for item in one]
    return [one for one in found if isinstance(one, dict)]


@given(documents, st.lists(paths, max_size=3))
def test_remove_does_what_its_words_say(document: Any, removed: list[str]) -> None:
    """The members that the paths lead to are gone, and nothing else is."""
    expected = copy.deepcopy(document)
    for path in removed:
        for place in places(expected, path):
            place.pop(path.rpartition(".")[2], None)
    assert json.loads(str(body(json.dumps(document), remove=tuple(removed)))) == expected


@given(documents, st.dictionaries(paths, st.integers(), max_size=3))
def test_add_does_what_its_words_say(document: Any, added: dict[str, int]) -> None:
    """Missing members stand in every object that the paths lead to, and nothing else changed."""
    expected = copy.deepcopy(document)
    for path, value in sorted(added.items(), key=lambda item: -item[0].count(".")):
        for place in places(expected, path):
            place.setdefault(path.rpartition(".")[2], value)
    assert json.loads(str(body(json.dumps(document), add=added))) == expected


@given(documents, paths)
def test_rename_and_its_inverse_leave_the_body_as_it_was(document: Any, path: str) -> None:
    """A new name that nobody uses, and back: the same document with its members in order."""
    outer, dot, name = path.rpartition(".")
    there = str(body(json.dumps(document), rename={path: "new"}))
    back = str(body(there, rename={f"{outer}{dot}new": name}))
    assert json.dumps(json.loads(back)) == json.dumps(document)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (config.Fields(remove=("lines[]",)), "is not a path of names"),
        (config.Fields(remove=("a..b",)), "is not a path of names"),
        (config.Fields(add={"": 1}), "is not a path of names"),
        (config.Fields(rename={"a[0].b": "c"}), "is not a path of names"),
        (config.Fields(remove=(".".join("a" * 33),)), "is not a path of names"),
        (config.Fields(remove=("a", "a.b")), "a.b is removed, or with what it is in"),
        (config.Fields(remove=("a",), rename={"a": "b"}), "a is removed, or with what it is in"),
        (config.Fields(rename={"a.b": "a.c"}), "write the new name alone"),
        (config.Fields(rename={"a": "c", "b": "c"}), "another member is renamed to c"),
        (config.Fields(add={"a": float("inf")}), "inf is not a number"),
    ],
)
def test_body_rules_that_make_no_sense_are_refused(rules: config.Fields, reason: str) -> None:
    """The finding says where and why, for both ways."""
    for found in (
        reasons(config.RequestRules(body=rules)),
        reasons(config.ResponseRules(body=rules)),
    ):
        assert len(found) == 1
        assert ".body." in found[0]
        assert reason in found[0]


def test_all_faults_are_found_at_once() -> None:
    """One refusal names everything there is to mend."""
    rules = config.RequestRules(
        headers=config.Headers(remove=("Host",), set={"X-A": "a\nb"}),
        query=config.Fields(remove=("",)),
        body=config.Fields(remove=("a..b",)),
    )
    assert len(reasons(rules)) == 4


# ---------------------------------------------------------------- what a body is, and its head


@pytest.mark.parametrize(
    ("head", "scope"),
    [
        ({b"content-type": b"application/json"}, Scope.JSON),
        ({b"content-type": b"Application/JSON ; charset=UTF-8"}, Scope.JSON),
        ({b"content-type": b'application/json;charset="utf-8"'}, Scope.JSON),
        ({b"content-type": b"application/vnd.shop.v2+json"}, Scope.JSON),
        ({b"content-type": b"application/json", b"content-encoding": b"Identity"}, Scope.JSON),
        ({b"content-type": b"application/problem+json"}, Scope.OTHER),
        ({b"content-type": b"application/jsonl"}, Scope.OTHER),
        ({b"content-type": b"text/html"}, Scope.OTHER),
        ({}, Scope.OTHER),
        (
            {b"content-type": b"application/json", b"content-range": b"bytes 0-1/9"},
            Scope.OTHER,
        ),
        ({b"content-type": b"application/json", b"content-encoding": b"gzip"}, Scope.CODED),
        ({b"content-type": b"application/json; charset=utf-16"}, Scope.CODED),
    ],
)
def test_only_plain_json_is_changed(head: Mapping[bytes, bytes], scope: Scope) -> None:
    """JSON in UTF-8 without a coding; a part or a problem is none of the contract's bodies."""
    assert BodyRules(config.Fields(remove=("a",))).scope(head) is scope


def test_changed_body_gets_a_head_of_its_own() -> None:
    """New length, weak ETag; digests, chunking, trailers and ranges of the old bytes are gone."""
    came = [
        *((b"content-type", b"application/json"), (b"Content-Length", b"99")),
        *((b"Transfer-Encoding", b"chunked"), (b"Trailer", b"X"), (b"ETag", b'"7"')),
        *((b"Content-MD5", b"x"), (b"Digest", b"x"), (b"Content-Digest", b"x")),
        *((b"Repr-Digest", b"x"), (b"Accept-Ranges", b"bytes"), (b"Last-Modified", b"then")),
    ]
    rules = BodyRules(config.Fields(remove=("a",)))
    kept = [came[0], (b"ETag", b'W/"7"'), came[-1]]
    assert rules.frame(came, b"{}") == [*kept, (b"Content-Length", b"2")]
    assert rules.frame(came, None) == kept


@pytest.mark.parametrize("tag", [b'W/"7"', b"unquoted"])
def test_tag_that_is_not_strong_stays(tag: bytes) -> None:
    """Only a strong ETag promises the same bytes."""
    assert BodyRules(config.Fields()).frame([(b"ETag", tag)], None) == [(b"ETag", tag)]


def test_upstream_is_asked_for_whole_plain_answers() -> None:
    """Neither a compressed answer nor a part of one could be changed."""
    fields = [(b"Accept-Encoding", b"gzip"), (b"RANGE", b"bytes=0-1"), (b"If-Range", b'"7"')]
    assert asking_for_plain_json([*fields, (b"Accept", b"*/*")]) == [
        *((b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"))
    ]


def test_refusals_say_what_to_do() -> None:
    """The three ways in which a request's body cannot be changed have the shop's own codes."""
    refusals = (transform.UNREADABLE, transform.CODED, transform.TOO_LARGE)
    assert [(refusal.status, refusal.code) for refusal in refusals] == [
        *((400, "malformed_body"), (415, "unsupported_media_type"), (413, "too_large"))
    ]
    assert transform.CODED.headers == ((b"Accept-Encoding", b"identity"),)


def test_rules_for_both_ways_change_what_they_are_for() -> None:
    """A whole example: an old client's request to a new service, and the answer back."""
    inward = request_rules(
        prefix="/api/v1/cart",
        headers=config.Headers(rename={"X-Cart": "Cart-Token"}),
        body=config.Fields(rename={"lines[].sku": "code"}, add={"currency": "EUR"}),
    )
    outward = compile_response_rules(
        config.ResponseRules(
            headers=config.Headers(add={"Deprecation": "true"}),
            body=config.Fields(rename={"data.lines[].code": "sku"}, remove=("data.version",)),
        )
    )
    assert inward.body is not None
    assert outward is not None
    assert outward.body is not None
    assert inward.head(b"/api/v1/cart?x", [(b"x-cart", b"t")]) == (
        *(b"/api/v1/cart?x", [(b"Cart-Token", b"t")]),
    )
    assert inward.body.change(b'{"lines":[{"sku":"F1","n":2.0}]}') == (
        b'{"lines":[{"code":"F1","n":2.0}],"currency":"EUR"}'
    )
    answer = b'{"data":{"version":3,"lines":[{"code":"F1","price":10.50}]}}'
    assert outward.body.change(answer) == b'{"data":{"lines":[{"sku":"F1","price":10.50}]}}'
    assert outward.head([(b"A", b"b")]) == [(b"A", b"b"), (b"Deprecation", b"true")]
