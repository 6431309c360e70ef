"""Violations for people, for programs, for code-scanning (SARIF 2.1.0) and for GitHub's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modules.platform.boundaries.violations import Violation

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(violations: Sequence[Violation]) -> str:
    """Fact, place and way out, three lines each."""
    if not violations:
        return "The boundaries hold."
    blocks = [
        f"{one.fact}  [{one.rule}]\n  at {one.place or 'the registry'}\n  -> {one.way_out}"
        for one in violations
    ]
    count = len(violations)
    return "\n".join([*blocks, f"{count} violation{'s' if count > 1 else ''}."])


def as_json(violations: Sequence[Violation]) -> str:
    """``{"violations": [{path, line, rule, fact, way_out}]}``."""
    return msgspec.json.encode({"violations": violations}).decode()


def as_github(violations: Sequence[Violation]) -> str:
    """Workflow commands: each shows as an annotation on its line."""
    return "\n".join(
        f"::error file={_property(one.path)},line={max(one.line, 1)},"
        f"title={_property(one.rule)}::{_message(f'{one.fact}. {one.way_out}')}"
        for one in violations
    )


def as_sarif(violations: Sequence[Violation]) -> str:
    """One run of the tool ``ficus-boundaries``."""
    rules = [{"id": rule} for rule in sorted({one.rule for one in violations})]
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "ficus-boundaries", "rules": rules}},
        "results": [_result(one) for one in violations],
    }
    return msgspec.json.encode(
        {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    ).decode()


RENDERERS = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}


def _result(one: Violation) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "level": "error",
        "message": {"text": f"{one.fact}. {one.way_out}"},
    }
    if one.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": one.path}}
        if one.line:
            place["region"] = {"startLine": one.line}
        result["locations"] = [{"physicalLocation": place}]
    return result


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
