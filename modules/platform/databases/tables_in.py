"""Which tables a SQL statement names: a scanner for table positions, no full parser.

It reads what stands after FROM, JOIN, INTO, UPDATE, TABLE and their like, through commas and
parentheses, and calls of functions with a schema. Texts, comments and dollar-quoted bodies are
passed over, names of WITH queries are no tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<skip> --[^\n]* | /\*.*?\*/ | [eE]?'(?:[^'\\]|''|\\.)*'
        | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$ | \s+ | %\(\w+\)s | %s )
    | (?P<quoted> "(?:[^"]|"")+" )
    | (?P<word> [A-Za-z_\u0080-\uffff][\w$]* )
    | (?P<mark> . )
    """,
    re.VERBOSE | re.DOTALL,
)
# A name in parentheses behind the table's is a list of columns after these ...
_COLUMNS = frozenset({"into", "update", "table", "truncate", "references", "copy", "lock"})
# ... and a call's arguments after these.
_SOURCES = frozenset({"from", "using"})
# Words that may stand between such a word and the table.
_BETWEEN = frozenset({"only", "table", "if", "exists", "not", "lateral", "concurrently"})
# A list of tables ends at these.
_ENDS = frozenset(
    {"where", "set", "group", "order", "having", "limit", "offset", "fetch", "window", "for"}
    | {"union", "intersect", "except", "returning", "values", "select", "with", "from", "using"}
    | {"add", "alter", "drop", "rename", "default", "cascade", "restrict", "do", "when"}
)
_FUNCTIONS = frozenset({"extract", "substring", "trim", "overlay"})  # with a FROM of their own


class TableName(NamedTuple):
    """A table as written; ``schema`` is empty when the statement does not name one."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class _Token(NamedTuple):
    text: str  # folded to lower case unless quoted
    kind: str


def tables_in(sql: str) -> tuple[TableName, ...]:
    """The tables named, in order, and functions that are called with their schema."""
    tokens = _tokens(sql)
    queries = _with_names(tokens)
    found = [
        table
        for table in (*_in_table_positions(tokens), *_qualified_calls(tokens))
        if table.schema or table.name not in queries
    ]
    return tuple(dict.fromkeys(found))


def _tokens(sql: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(sql):
        if match["quoted"]:
            tokens.append(_Token(match["quoted"][1:-1].replace('""', '"'), "name"))
        elif match["word"]:
            tokens.append(_Token(match["word"].lower(), "word"))
        elif match["mark"]:
            tokens.append(_Token(match["mark"], "mark"))
    return tokens


def _with_names(tokens: Sequence[_Token]) -> frozenset[str]:
    # name AS ( ... ), or name (columns) AS ( ... ): good enough, as it only exempts known words.
    names = set()
    for at, token in enumerate(tokens[:-2]):
        follows = [one.text for one in tokens[at + 1 : at + 4]]
        if token.kind == "mark" or not follows or follows[0] != "as":
            continue
        if "(" in follows[1:2] or (follows[1] in {"materialized", "not"} and "(" in follows):
            names.add(token.text)
    return frozenset(names) if any(one.text == "with" for one in tokens) else frozenset()


def _in_table_positions(tokens: Sequence[_Token]) -> Iterator[TableName]:
    closing = _closing(tokens)
    inside = _function_froms(tokens)
    for at, token in enumerate(tokens):
        if token.kind != "word" or at in inside:
            continue
        if token.text in _SOURCES and tokens[at - 1] != _Token("distinct", "word"):
            # JOIN ... USING (column)
            if token.text == "from" or tokens[at + 1 : at + 2] != [_Token("(", "mark")]:
                yield from _sources(tokens, at + 1, closing)
        elif token.text in _COLUMNS and tokens[at - 1].text not in {"for", "do"}:
            yield from _sources(tokens, at + 1, closing, columns=True)


def _sources(
    tokens: Sequence[_Token], at: int, closing: dict[int, int], *, columns: bool = False
) -> Iterator[TableName]:
    """The tables of one list, through commas and joins; subqueries bring their own FROM."""
    expected = True
    while at < len(tokens):
        token = tokens[at]
        if token.text == "(" and token.kind == "mark":
            if expected:
                yield from _sources(tokens, at + 1, closing)
            at, expected = closing.get(at, len(tokens)) + 1, False
        elif token.text in {")", ";"} and token.kind == "mark":
            return
        elif token.kind == "word" and token.text in (_BETWEEN if expected else ()):
            at += 1
        elif token.kind == "word" and token.text in _ENDS:
            return
        elif expected and token.kind != "mark":
            name, at = _name_at(tokens, at)
            is_call = not columns and tokens[at : at + 1] == [_Token("(", "mark")]
            if not is_call:
                yield name
            expected = False
        else:
            expected = token.text in {",", "join"}
            at += 1


def _closing(tokens: Sequence[_Token]) -> dict[int, int]:
    pairs, opened = {}, []
    for at, token in enumerate(tokens):
        if token == _Token("(", "mark"):
            opened.append(at)
        elif token == _Token(")", "mark") and opened:
            pairs[opened.pop()] = at
    return pairs


def _function_froms(tokens: Sequence[_Token]) -> frozenset[int]:
    """Where FROM belongs to a function: ``extract(year FROM placed_at)``."""
    found, callers = [], [""]
    for at, token in enumerate(tokens):
        if token == _Token("(", "mark"):
            callers.append(tokens[at - 1].text if at else "")
        elif token == _Token(")", "mark") and len(callers) > 1:
            callers.pop()
        elif token == _Token("from", "word") and callers[-1] in _FUNCTIONS:
            found.append(at)
    return frozenset(found)


def _name_at(tokens: Sequence[_Token], at: int) -> tuple[TableName, int]:
    parts = [tokens[at].text]
    at += 1
    while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].kind != "mark":
        parts.append(tokens[at + 1].text)
        at += 2
    return TableName(parts[-2] if len(parts) > 1 else "", parts[-1]), at


def _qualified_calls(tokens: Sequence[_Token]) -> Iterator[TableName]:
    for at in range(len(tokens) - 3):
        name, dot, function, opened = tokens[at : at + 4]
        if (dot.text, opened.text) == (".", "(") and "mark" not in {name.kind, function.kind}:
            yield TableName(name.text, function.text)
