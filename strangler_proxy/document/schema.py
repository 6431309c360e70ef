"""The JSON Schema of the routing document, and what it finds, in words of this format.

``python -m strangler_proxy.document.schema`` prints it; ``schema.json`` beside this file is that
print, for editors and for who writes documents by program.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from strangler_proxy.config import Document
from strangler_proxy.errors import Finding

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_SHOWN = 60  # characters of a wrong value


@cache
def document_schema() -> dict[str, Any]:
    """The schema, generated from the Structs of ``config``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Routing document of the Ficus front door",
        **msgspec.json.schema(Document),
    }


def schema_text() -> str:
    """What ``schema.json`` must hold."""
    return json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"


def findings(values: Any) -> Iterator[Finding]:
    """Everything in which plain values depart from the schema."""
    for error in _validator().iter_errors(values):
        yield from _explain(error)


@cache
def _validator() -> Validator:
    """Loaded when there is something to find: that takes longer than to read a right document."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema takes 2.0 for a whole number; we do not.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _checker, value: type(value) is int
    )
    kind = extend(  # type: ignore[no-untyped-call, unused-ignore]
        Draft202012Validator, type_checker=checker
    )
    return cast("Validator", kind(document_schema()))


def _explain(error: ValidationError) -> Iterator[Finding]:
    path = path_of(error.absolute_path)
    rule = error.validator
    value: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    if rule == "anyOf":
        yield from _explain_alternatives(error, path)
    elif rule == "additionalProperties":
        known = schema.get("properties", {})
        for name in value:
            if name not in known:
                yield Finding(path=f"{path}.{name}", reason=_unknown(name, known))
    elif rule == "required":
        for name in wanted:
            if name not in value:
                yield Finding(path=path, reason=f"{name} is missing")
    elif (
        error.parent is None and rule == "pattern" and "propertyNames" in error.absolute_schema_path
    ):
        yield Finding(path=f"{path}.{value}", reason=f"the name {_departs(error)}")
    else:
        yield Finding(path=path, reason=_departs(error))


def _explain_alternatives(error: ValidationError, path: str) -> Iterator[Finding]:
    """Of ``X | None`` what X finds; of several plain types one sentence."""
    options: Any = error.validator_value
    if all(set(option) == {"type"} for option in options):
        kinds = [_KINDS[option["type"]] for option in options]
        yield Finding(path=path, reason=f"must be {_either(kinds)}, not {_shown(error.instance)}")
        return
    for inner in error.context or ():
        if options[inner.relative_schema_path[0]] != {"type": "null"}:
            yield from _explain(inner)


def _unknown(name: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"is not an option; did you mean {close[0]}?"
    return f"is not an option; there are {', '.join(sorted(known))}"


def _departs(error: ValidationError) -> str:
    """One sentence for a plain rule."""
    wanted: Any = error.validator_value
    schema: Any = error.schema
    value: Any = error.instance
    # Values of headers may be secrets, and findings are logged.
    shown = "this one" if "headers" in error.absolute_path else _shown(value)
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"must be {_either([_KINDS[kind] for kind in kinds])}, not {shown}"
        case "enum":
            return f"must be {_either([str(one) for one in wanted])}, not {shown}"
        case "pattern":
            return f"must be {schema.get('description', f'of the form {wanted}')}, not {shown}"
        case "minimum":
            return f"must be at least {wanted}, not {shown}"
        case "maximum":
            return f"must be at most {wanted}, not {shown}"
        case "exclusiveMinimum":
            return f"must be more than {wanted}, not {shown}"
        case "minItems":
            return f"needs at least {wanted}"
        case "maxLength":
            return f"has {len(value)} characters; at most {wanted} are taken"
        case _:
            return error.message


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _shown(value: Any) -> str:
    """A wrong value, short."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {value[:_SHOWN]!r}{'...' * (len(value) > _SHOWN)}"
    return json.dumps(value)[:_SHOWN]


def path_of(parts: Any) -> str:
    """``$.routes[2].prefix`` of ``("routes", 2, "prefix")``."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


if __name__ == "__main__":
    sys.stdout.write(schema_text())
