"""One list of violations in four forms."""

from __future__ import annotations

import json

from modules.platform.boundaries.rendering import as_github, as_json, as_sarif, as_text
from modules.platform.boundaries.violations import Violation, in_order

ONE = Violation(
    path="modules/cart/service.py", line=12, rule="rooms", fact="a, b: c", way_out="50% less"
)
NOWHERE = Violation(path="", line=0, rule="signal", fact="it hears", way_out="do not")


def test_text_has_fact_place_and_way_out() -> None:
    """Three lines each, and a count."""
    assert as_text([ONE, NOWHERE]).splitlines() == [
        "a, b: c  [rooms]",
        "  at modules/cart/service.py:12",
        "  -> 50% less",
        "it hears  [signal]",
        "  at the registry",
        "  -> do not",
        "2 violations.",
    ]
    assert as_text([ONE]).endswith("1 violation.")
    assert as_text([]) == "The boundaries hold."


def test_json_has_the_fields() -> None:
    """Programs get what people get."""
    assert json.loads(as_json([ONE]))["violations"] == [
        {
            "path": "modules/cart/service.py",
            "line": 12,
            "rule": "rooms",
            "fact": "a, b: c",
            "way_out": "50% less",
        }
    ]


def test_github_annotations_are_escaped() -> None:
    """Per cent signs, colons and commas must not end a property."""
    assert as_github([ONE]) == (
        "::error file=modules/cart/service.py,line=12,title=rooms::a, b: c. 50%25 less"
    )


def test_sarif_has_rules_and_places() -> None:
    """Code scanning needs every rule named and a place for each result that has one."""
    run = json.loads(as_sarif([ONE, NOWHERE]))["runs"][0]

    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["rooms", "signal"]
    first, second = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "modules/cart/service.py"
    assert place["region"]["startLine"] == 12
    assert "locations" not in second


def test_order_is_by_place_and_each_stands_once() -> None:
    """The same findings give the same text."""
    assert in_order([ONE, NOWHERE, ONE]) == (NOWHERE, ONE)
