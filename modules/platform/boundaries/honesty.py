"""Declared against true, in both directions, for calls, published and consumed events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.source import Ref, SourceTree
from modules.platform.boundaries.usage import Place, Usage, Uses, usage_of
from modules.platform.boundaries.violations import Violation
from modules.platform.boundaries.vocabulary import Vocabulary


def check_honesty(
    tree: SourceTree, declarations: Mapping[str, Declaration], vocabulary: Vocabulary
) -> Iterator[Violation]:
    """Where a declaration and its module's code tell different stories."""
    for module, declaration in declarations.items():
        usage = usage_of(module, tree, vocabulary)
        yield from _unknown(declaration, vocabulary)
        yield from _calls(declaration, usage)
        yield from _publishes(declaration, usage, vocabulary)
        yield from _consumes(declaration, usage)
        yield from _unreadable(usage)


def _unknown(one: Declaration, vocabulary: Vocabulary) -> Iterator[Violation]:
    kinds = {"calls": "port", "publishes": "event", "consumes": "event"}
    for name, kind in kinds.items():
        for ref in getattr(one, name):
            if ref not in vocabulary or vocabulary[ref].kind != kind:
                yield _declared(
                    one,
                    name,
                    rule="declaration",
                    fact=f"{one.name} declares {ref} in {name}, which is no {kind} of a contract",
                    way_out=f"name a class of modules.{ref.module}.contract that is one",
                )


def _calls(one: Declaration, usage: Usage) -> Iterator[Violation]:
    yield from _undeclared(
        usage.calls,
        one.calls,
        rule="calls-undeclared",
        fact=f"{one.name} calls {{ref}}, which it does not declare",
        way_out=f"add {{name}} to calls in {one.path}, or hear an event instead",
    )
    for ref in _missing(one.calls, usage.calls):
        yield _declared(
            one,
            "calls",
            rule="calls-unused",
            fact=f"{one.name} declares that it calls {ref} and never does",
            way_out=f"take {ref.name} out of calls, or call use({ref.name})",
        )


def _publishes(one: Declaration, usage: Usage, vocabulary: Vocabulary) -> Iterator[Violation]:
    yield from _undeclared(
        usage.events,
        one.publishes,
        rule="publishes-undeclared",
        fact=f"{one.name} makes {{ref}}, which it does not declare",
        way_out=f"add {{name}} to publishes in {one.path}",
    )
    yield from _undeclared(
        usage.foreign_events,
        (),
        rule="publishes-foreign",
        fact=f"{one.name} makes {{ref}}, an event of another module",
        way_out="only its own module may publish an event; publish one of your own",
    )
    for ref in _missing(one.publishes, usage.events):
        yield _declared(
            one,
            "publishes",
            rule="publishes-unused",
            fact=f"{one.name} declares that it publishes {ref} and never makes one",
            way_out=f"publish({ref.name}(...)) where it happens, or take it out",
        )
    for ref, word in vocabulary.items():
        spoken = ref in one.publishes or ref in usage.events
        if ref.module == one.name and word.kind == "event" and not spoken:
            yield Violation(
                path=word.path,
                line=word.line,
                rule="publishes-unused",
                fact=f"the contract of {one.name} has {ref}, which nobody publishes",
                way_out=f"publish it and add it to publishes in {one.path}, or take it out",
            )


def _consumes(one: Declaration, usage: Usage) -> Iterator[Violation]:
    yield from _undeclared(
        usage.hears,
        one.consumes,
        rule="consumes-undeclared",
        fact=f"{one.name} has handlers for {{ref}}, which it does not declare",
        way_out=f"add {{name}} to consumes in {one.path}",
    )
    yield from _undeclared(
        usage.handler_asks,
        (),
        rule="rooms",
        fact=f"handlers of {one.name} name {{ref}}: handlers import other modules' events only",
        way_out="handlers run in a transaction: record the intent, and call from a task",
    )
    for ref in _missing(one.consumes, usage.hears):
        yield _declared(
            one,
            "consumes",
            rule="consumes-unused",
            fact=f"{one.name} declares that it hears {ref} and has no handler for it",
            way_out=f"add it to HANDLERS in modules/{one.name}/handlers.py, or take it out",
        )


def _unreadable(usage: Usage) -> Iterator[Violation]:
    for fact, place in usage.unreadable:
        yield _at(
            place,
            rule="unreadable",
            fact=fact,
            way_out="write the names out, so that what is declared can be held against it",
        )


def _undeclared(
    uses: Uses, declared: Iterable[Ref], *, rule: str, fact: str, way_out: str
) -> Iterator[Violation]:
    known = set(declared)
    for ref, places in uses.items():
        if ref not in known:
            yield _at(
                places[0],
                rule=rule,
                fact=fact.format(ref=ref),
                way_out=way_out.format(name=ref.name),
            )


def _missing(declared: Iterable[Ref], uses: Uses) -> list[Ref]:
    return [ref for ref in declared if ref not in uses]


def _at(place: Place, *, rule: str, fact: str, way_out: str) -> Violation:
    return Violation(path=place.path, line=place.line, rule=rule, fact=fact, way_out=way_out)


def _declared(one: Declaration, name: str, *, rule: str, fact: str, way_out: str) -> Violation:
    return Violation(path=one.path, line=one.line(name), rule=rule, fact=fact, way_out=way_out)
