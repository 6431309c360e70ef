"""AsyncAPI 3 of what this host's modules say and hear, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import msgspec

from modules.platform.contracts import Event, Module, module_of
from modules.platform.databases import installed_modules
from modules.platform.messaging import registry
from modules.platform.messaging.upcasting import accepted_versions

Document = dict[str, Any]
_REF = "#/components/schemas/{name}"


def document(modules: Iterable[str] | None = None, *, version: str = "1.0.0") -> Document:
    """The document for ``modules``, or for all of this host.

    One channel per module, one message per event, a ``send`` operation for what a module
    publishes and a ``receive`` operation per pair of consumer and source.
    """
    chosen = tuple(installed_modules() if modules is None else modules)
    events = _events(chosen)
    references, schemas = _schemas(tuple(events.values()))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ficus events",
            "version": version,
            "description": (
                "CloudEvents 1.0 in JSON. Order is kept per subject; each event is handled once."
            ),
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": _channels(events),
        "operations": _operations(events, chosen),
        "components": {
            "messages": {
                name: _message(name, event, reference)
                for (name, event), reference in zip(events.items(), references, strict=True)
            },
            "schemas": schemas,
        },
    }


def _events(modules: tuple[str, ...]) -> dict[str, type[Event]]:
    """Every event published or heard here, by its full type."""
    found = {event.type_name(): event for event in registry.heard_events().values()}
    for module in modules:
        declared = declaration(module)
        if declared is not None:
            found.update({e.type_name(): e for e in (*declared.publishes, *declared.consumes)})
    return dict(sorted(found.items()))


def declaration(module: str) -> Module | None:
    """The module's ``MODULE``; None when it has not been written."""
    name = f"modules.{module}.module"
    if find_spec(name) is None:
        return None
    declared: Module = import_module(name).MODULE
    return declared


def _channels(events: dict[str, type[Event]]) -> Document:
    channels: Document = {}
    for name, event in events.items():
        module = module_of(event)
        channel = channels.setdefault(
            module, {"address": f"/{module}", "title": f"Events of {module}", "messages": {}}
        )
        channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}
    return channels


def _operations(events: dict[str, type[Event]], modules: tuple[str, ...]) -> Document:
    operations: Document = {}
    for module in modules:
        own = [name for name, event in events.items() if module_of(event) == module]
        if own:
            operations[f"{module}.send"] = _operation("send", module, own)
    for consumer in registry.consumers():
        for source, heard in registry.heard_by(consumer).items():
            names = [name for name in events if name.rpartition(".v")[0] in heard]
            operation = _operation("receive", source, names)
            operation["x-consumer"] = consumer
            operation["x-accepts"] = {t: list(versions) for t, versions in sorted(heard.items())}
            operations[f"{consumer}.receive.{source}"] = operation
    return dict(sorted(operations.items()))


def _operation(action: str, module: str, names: list[str]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{module}"},
        "messages": [{"$ref": f"#/channels/{module}/messages/{name}"} for name in names],
    }


def _message(name: str, event: type[Event], reference: Document) -> Document:
    base = registry.base_type(event)
    return {
        "name": name,
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": reference,
        "x-key": event.KEY,
        "x-accepted-versions": list(accepted_versions(base, event.VERSION)),
    }


def _schemas(events: tuple[type[Event], ...]) -> tuple[tuple[Document, ...], Document]:
    references, schemas = msgspec.json.schema_components(events, ref_template=_REF)
    return references, dict(sorted(schemas.items()))
