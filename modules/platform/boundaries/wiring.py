"""Rules about this process: what is bound and subscribed is what is declared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from modules.platform.binding import bound_ports
from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.source import Ref
from modules.platform.boundaries.violations import Violation
from modules.platform.contracts import module_of
from modules.platform.databases.aliases import installed_modules
from modules.platform.messaging import registry


def check_wiring(declarations: Mapping[str, Declaration]) -> Iterator[Violation]:
    """Whether each composed module's ``apps.py`` has bound and subscribed what it declares."""
    bound = {Ref(module_of(port), port.__name__) for port in bound_ports()}
    for module in installed_modules():
        if module in declarations:
            yield from wiring_of(declarations[module], bound=bound, heard=_heard_by(module))


def wiring_of(
    one: Declaration, *, bound: Collection[Ref], heard: Collection[Ref]
) -> Iterator[Violation]:
    """Holds one declaration against the ports bound and the events heard in this process."""
    apps = f"modules/{one.name}/apps.py"
    if one.port is not None and one.port not in bound:
        yield Violation(
            path=apps,
            line=0,
            rule="wiring",
            fact=f"no one answers {one.port} in this process",
            way_out=f"call bind({one.port.name}, Service()) in ready() of {apps}",
        )
    for ref in sorted(set(one.consumes) - set(heard)):
        yield Violation(
            path=apps,
            line=0,
            rule="wiring",
            fact=f"{one.name} declares that it hears {ref} and has not subscribed",
            way_out=f"call subscribe({one.name!r}, HANDLERS) in ready() of {apps}",
        )
    for ref in sorted(set(heard) - set(one.consumes)):
        yield Violation(
            path=one.path,
            line=one.line("consumes"),
            rule="wiring",
            fact=f"{one.name} has subscribed to {ref}, which it does not declare",
            way_out=f"add {ref.name} to consumes in {one.path}, or drop the subscription",
        )


def _heard_by(module: str) -> frozenset[Ref]:
    if module not in registry.consumers():
        return frozenset()
    events = registry.heard_events()
    types = (name for heard in registry.heard_by(module).values() for name in heard)
    return frozenset(Ref(module_of(events[name]), events[name].__name__) for name in types)
