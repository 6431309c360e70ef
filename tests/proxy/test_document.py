"""Loading, writing and changing the routing document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler_proxy.config import Document, Phase
from strangler_proxy.document import schema
from strangler_proxy.document.loading import dump, load, load_file, load_with_lines, with_capability
from strangler_proxy.document.text import DEPTH_LIMIT, SIZE_LIMIT, read
from strangler_proxy.errors import Finding, TableRefused
from tests.proxy.tables import SAMPLE, documents


def line_of(text: str, part: str) -> int:
    """The line at which ``part`` begins."""
    return text[: text.index(part)].count("\n") + 1


def refused(text: str) -> tuple[Finding, ...]:
    with pytest.raises(TableRefused) as caught:
        load(text)
    return caught.value.findings


# ---------------------------------------------------------------- reading


def test_the_sample_loads() -> None:
    """A document becomes Structs, with defaults for what it does not say."""
    document = load(SAMPLE)
    assert document.capabilities["payment"].phase is Phase.CANARY
    assert document.routes[0].answer is not None
    assert document.workers == 1
    assert document.upstreams["shop"].instances[1].weight == 2


def test_json_is_the_same_document() -> None:
    """What YAML says can be said in JSON, also with tabs."""
    text = json.dumps(yaml.safe_load(SAMPLE), indent="\t")
    assert load(text) == load(SAMPLE)


def test_a_file_is_read(tmp_path: Path) -> None:
    """A file may begin with a byte order mark; a finding names the file."""
    path = tmp_path / "routes.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLE.encode())
    assert load_file(path) == load(SAMPLE)
    path.write_text("version: 2\n")
    with pytest.raises(TableRefused, match=r"routes\.yaml is refused"):
        load_file(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"version: \xff\n", "is not UTF-8: byte 9"),
        (b"#" * (SIZE_LIMIT + 1), f"longer than the {SIZE_LIMIT} bytes"),
        (("#" + "\xe9" * (SIZE_LIMIT // 2)).encode(), f"longer than the {SIZE_LIMIT} bytes"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """Missing, binary, huge and empty files are refused with the reason."""
    path = tmp_path / "routes.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableRefused, match=reason):
        load_file(path)


@pytest.mark.parametrize(
    ("text", "path", "line", "reason"),
    [
        ("a: &x 1\n", "$.a", 1, "has an anchor, &x"),
        ("a:\n\tb: 1\n", "$", 2, "is not YAML: it is indented by a tab; write spaces"),
        ("a: &x 1\nb: *x\n", "$.b", 2, "repeats by an alias"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "$.c", 3, "merges by <<"),
        ("a: !!python/object/apply:os.system [ls]\n", "$.a", 1, "has a tag"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "$.b.c", 4, "stands there twice, first in line 3"),
        ("a: 1\n? [b]\n: c\n", "$", 2, "a key is text"),
        ("a: 1\n---\nb: 1\n", "$", 2, "a second document begins"),
        ("a: 1e999\n", "$.a", 1, "too large a number"),
        ("a: [1, 2\nb: 3\n", "$", 2, "is not YAML"),
        ("a: 1\n\tb: 2\n", "$", 2, "is not YAML"),
        ("a: \x00\n", "$", None, "is not YAML"),
        ("[" * 200_000, "$", 1, "nested deeper"),
        ("- " * 200_000, "$", 1, "nested deeper"),
        ('{"a": 1,\n "b": {"c": 1, "c": 2}}', "$.b.c", 2, "stands there twice"),
        ('{"a": 1,\n}', "$", 2, "is not JSON"),
        ('{"a": NaN}', "$", None, "NaN is not a number that JSON has"),
        ('{"a": 1e999}', "$", None, "1e999 is not a number that JSON has"),
        ('{"a": "\\ud800"}', "$", None, "half of a surrogate pair"),
        ('{"a":' * 100_000, "$", None, "nested deeper"),
        ('{"a":' * 50 + "1" + "}" * 50, "$", 1, "nested deeper"),
        ("a: \ud800", "$", None, "half of a surrogate pair"),
    ],
)
def test_text_that_is_doubtful_is_refused(
    text: str, path: str, line: int | None, reason: str
) -> None:
    """Anchors, tags, duplicate keys, depth and broken text: each is named with its line."""
    findings = refused(text)
    assert [f for f in findings if reason in f.reason and (f.path, f.line) == (path, line)], (
        findings
    )


def test_an_alias_bomb_is_refused_at_once() -> None:
    """Aliases are not followed, so what they multiply to does not matter."""
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert any("alias" in finding.reason for finding in refused("\n".join(levels)))


def test_words_are_read_as_yaml_1_2_reads_them() -> None:
    """No word but true and false is a truth, no time or octal number is a number."""
    text = "a: [no, on, 12:30, 010, 0x1f, 2020-01-01, 1_000, true, 3, 3.0, 1e3, ~, '1', -2]"
    values, _ = read(text, "text")
    words = ["no", "on", "12:30", "010", "0x1f", "2020-01-01", "1_000"]
    assert values == {"a": [*words, True, 3, 3.0, 1000.0, None, "1", -2]}
    assert isinstance(values["a"][9], float)


def test_depth_is_counted() -> None:
    """The deepest document that is taken is as deep as the limit says."""
    assert read("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT, "text")
    with pytest.raises(TableRefused):
        read("[" * (DEPTH_LIMIT + 1) + "]" * (DEPTH_LIMIT + 1), "text")


def test_every_path_has_its_line() -> None:
    """A path stands at its key; one that is not written stands where its parent does."""
    _, lines = load_with_lines(SAMPLE)
    assert lines.of("$.revision") == line_of(SAMPLE, "revision")
    assert lines.of("$.upstreams.shop.instances[1].weight") == line_of(SAMPLE, "weight")
    assert lines.of("$.routes[3].fallback.upstream") == line_of(SAMPLE, "upstream: shop\n  - name")
    assert lines.of("$.routes[3].fallback.answer.body") == line_of(SAMPLE, "fallback:\n      up")
    assert lines.of("$.nothing") == 1


# ---------------------------------------------------------------- the schema


def test_the_committed_schema_is_the_generated_one() -> None:
    """``python -m strangler_proxy.document.schema`` prints what schema.json holds."""
    committed = Path(schema.__file__).with_name("schema.json").read_text()
    assert committed == schema.schema_text(), "run python -m strangler_proxy.document.schema"


def test_the_schema_takes_the_sample() -> None:
    """The schema finds nothing in a document that loads."""
    assert list(schema.findings(yaml.safe_load(SAMPLE))) == []


FAULTS = [
    ("version: 1", "version: 2", "$.version", "must be 1, not 2"),
    ("revision: 7", "revision: -1", "$.revision", "must be at least 0, not -1"),
    ("revision: 7", "revison: 7", "$.revison", "is not an option; did you mean revision?"),
    ("revision: 7", "zzz: 7", "$.zzz", "is not an option; there are access_log"),
    ("issuer: https://shop.example.org", "issuer: 5", "$.authentication.issuer", "must be text"),
    ("requests: 20", "requests: 0", "$.rate_limits.orders.requests", "must be at least 1, not 0"),
    ("requests: 20", "requests: yes", "$.rate_limits.orders.requests", "not the text 'yes'"),
    ("requests: 20", "requests: 20.5", "$.rate_limits.orders.requests", "must be a whole number"),
    ("seconds: 1\nup", "seconds: 0\nup", "$.rate_limits.orders.seconds", "must be more than 0"),
    ("weight: 2", "weight: 101", "$.upstreams.shop.instances[1].weight", "must be at most 100"),
    ("127.0.0.1:9001", "127.0.0.1", "$.upstreams.shop.instances[1].address", "must be host:port"),
    ("role: origin", "role: both", "$.upstreams.payment.registry.role", "must be origin or own"),
    ("phase: canary", "phase: green", "$.capabilities.payment.phase", "must be canary, extracted"),
    ("percent: 25", "percent: 101", "$.capabilities.payment.percent", "must be at most 100"),
    ("exact: true", "exact: yes", "$.routes[0].exact", "must be true or false, not the text"),
    ("prefix: /healthz", "prefix: healthz", "$.routes[0].prefix", "must be a path"),
    ("prefix: /healthz", "prefix: /a?b", "$.routes[0].prefix", "must be a path"),
    ("prefix: /healthz", 'prefix: "/a\\n"', "$.routes[0].prefix", "must be a path"),
    ("[GET, HEAD]", "[get]", "$.routes[3].methods[0]", "must be a method in upper case"),
    ("[GET, HEAD]", "GET", "$.routes[3].methods", "must be a list, not the text 'GET'"),
    ("name: staff", "name: Staff", "$.routes[4].name", "must be a short name"),
    ("- name: staff\n    ", "- ", "$.routes[4]", "name is missing"),
    ("staff.example.org, ", "Staff:80, ", "$.routes[4].hosts[0]", "must be a host name"),
    ("[identity, ", "[session, ", "$.routes[2].sticky[0]", "must be identity, address, header"),
    ('[identity, "header:Cart-Token", address]', "[]", "$.routes[2].sticky", "needs at least 1"),
    ("scopes: [", "scopes: [5, ", "$.routes[1].scopes[0]", "must be text, not 5"),
    ("  orders:", "  Orders!:", "$.rate_limits.Orders!", "the name must be a short name"),
    ("  keys:\n    url:", "  keys:\n    uri:", "$.authentication.keys.uri", "did you mean url?"),
    ("interval_seconds: 2", "interval_seconds: soon", "$.upstreams.shop.health.interval_seconds",
     "must be a number, not the text 'soon'"),
    ("    dns:\n      name", "    dns:\n      host", "$.upstreams.cart.dns", "name is missing"),
    ("status: 200", "status: 100", "$.routes[0].answer.status", "must be at least 200"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "reason"), FAULTS)
def test_a_planted_fault_is_named(old: str, new: str, path: str, reason: str) -> None:
    """Each fault is found with the line it was planted in, its path and a reason in words."""
    text = SAMPLE.replace(old, new, 1)
    assert text != SAMPLE
    at = SAMPLE[: SAMPLE.index(old)].count("\n") + 1
    lines = range(at, at + new.count("\n") + 1)
    found = [f for f in refused(text) if f.path == path and reason in f.reason]
    assert found, refused(text)
    assert found[0].line in lines


def test_all_faults_are_named_at_once() -> None:
    """A document with many faults is refused once, with all of them in the order of lines."""
    text = SAMPLE.replace("version: 1", "version: 2").replace("weight: 2", "weight: 0")
    text = text.replace("phase: canary", "phase: 3").replace("exact: true", "exact: 1")
    findings = refused(text)
    places = [f.path.rpartition(".")[2] for f in findings]
    assert places == ["version", "weight", "phase", "exact"]
    assert [f.line for f in findings] == sorted(f.line or 0 for f in findings)


def test_null_is_an_option_left_out_only_where_it_may_be() -> None:
    """``null`` stands for none where the option may be missing; elsewhere it is refused."""
    assert load(SAMPLE.replace("revision: 7", "state: null")).state is None
    text = SAMPLE.replace("revision: 7", "workers: null")
    assert refused(text)[0].reason == "must be a whole number, not null"


def test_a_header_is_not_quoted() -> None:
    """A wrong value of a header may be a secret; the finding does not show it."""
    headers = '    request: {headers: {set: {Authorization: "Bearer s3cret\\n"}}}\n'
    text = SAMPLE.replace("    fallback:\n      upstream: shop\n", headers)
    (finding,) = refused(text)
    assert finding.path == "$.routes[3].request.headers.set.Authorization"
    assert finding.reason == "must be one line of Latin-1 text, not this one"


def test_additions_to_a_body_are_plain_values() -> None:
    """A value of several plain types is refused with all of them in one sentence."""
    rules = "    request:\n      body:\n        add:\n          a: [1]\n"
    text = SAMPLE.replace("    fallback:\n      upstream: shop\n", rules)
    (finding,) = refused(text)
    assert finding.path == "$.routes[3].request.body.add.a"
    assert finding.reason.startswith("must be ")
    assert finding.reason.endswith("not a list")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(2.0),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


def places(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within."""
    found = [path] if path else []
    if isinstance(values, dict | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            found += places(value, (*path, key))
    return found


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(places(yaml.safe_load(SAMPLE))), PLAIN)
def test_the_schema_and_msgspec_agree(place: tuple[Any, ...], value: Any) -> None:
    """Whatever stands anywhere: what the schema takes converts, and nothing else does."""
    values = part = yaml.safe_load(SAMPLE)
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    converts = True
    try:
        msgspec.convert(values, Document)
    except msgspec.ValidationError:
        converts = False
    assert converts == (not list(schema.findings(values)))


# ---------------------------------------------------------------- writing and changing


def test_a_dump_loads_as_the_same_document() -> None:
    """Writing leaves out defaults and nothing else."""
    document = load(SAMPLE)
    text = dump(document)
    assert load(text) == document
    assert "bulkhead" not in text


@pytest.mark.parametrize(
    "text",
    [
        "1e3",
        "1.e3",
        "+.5",
        "08",
        "0x1f",
        "no",
        "~",
        "",
        "12:30",
        "\x85",
        "a\u2028b",
        "a\r\nb",
        "# a",
    ],
)
def test_a_text_stays_the_same_text(text: str) -> None:
    """What looks like a number, a truth or a line end is quoted."""
    document = load(SAMPLE.replace("body: ok", f"body: {json.dumps(text)}"))
    assert document.routes[0].answer is not None
    assert document.routes[0].answer.body == text
    assert load(dump(document)) == document


TEXTS = st.text(max_size=20) | st.text("\n\r\t\x85\u2028\ufeff\x00 #:'\"é", max_size=6)


@settings(deadline=None, max_examples=100)
@given(documents(), TEXTS, st.from_regex(r"[-+0-9.eEx:_]{1,8}", fullmatch=True))
def test_any_document_survives_being_written(
    values: dict[str, Any], text: str, numberlike: str
) -> None:
    """Whatever the texts look like, they come back as texts."""
    answer = {"body": text, "status": 200}
    values["routes"].append({"name": "z", "prefix": "/z", "answer": answer, "scopes": [numberlike]})
    document = msgspec.convert(values, Document)
    assert load(dump(document)) == document


def test_one_capability_is_changed() -> None:
    """Options are merged, the revision grows, and the old document stays as it was."""
    before = load(SAMPLE)
    after = with_capability(before, "payment", phase="extracted", percent=None, hold={"queue": 9})
    payment = after.capabilities["payment"]
    assert (payment.phase, payment.percent, payment.epoch) == (Phase.EXTRACTED, 0, 3)
    assert (payment.hold.queue, payment.hold.seconds) == (9, 5.0)
    assert after.revision == before.revision + 1
    assert before.capabilities["payment"].phase is Phase.CANARY
    assert after.routes == before.routes


@pytest.mark.parametrize(
    ("name", "changes", "path", "reason"),
    [
        ("orders", {}, "$.capabilities.orders", "there is no such capability"),
        ("payment", {"phase": "green"}, "$.capabilities.payment.phase", "must be canary"),
        ("payment", {"percent": 101}, "$.capabilities.payment.percent", "must be at most 100"),
        ("payment", {"percnt": 5}, "$.capabilities.payment.percnt", "did you mean percent?"),
        ("payment", {"monolith": None}, "$.capabilities.payment", "monolith is missing"),
    ],
)
def test_a_wrong_change_is_refused(
    name: str, changes: dict[str, Any], path: str, reason: str
) -> None:
    """A change is checked like a document."""
    with pytest.raises(TableRefused) as caught:
        with_capability(load(SAMPLE), name, **changes)
    (finding,) = caught.value.findings
    assert finding.path == path
    assert reason in finding.reason
