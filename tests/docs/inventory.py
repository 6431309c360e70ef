"""What the front door's code has that its documentation must name: options, problems, endpoints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from starlette.routing import Route

from strangler_proxy import config, errors
from strangler_proxy.config import Admin, Document, Part
from strangler_proxy.control import families
from strangler_proxy.control.app import admin_app
from strangler_proxy.control.changing import Changing
from strangler_proxy.control.problems import STATUSES
from tests.proxy.front import REPOSITORY

PACKAGE = REPOSITORY / "strangler_proxy"
MAKERS = frozenset({"Refusal", "BadHead", "Problem", "_refusal"})  # called with status and code
# Calls of these whose status or code is not written there: it comes from a table or a parameter.
PASSED_ON = frozenset(
    {
        "wire/framing.py:BadHead.__init__",  # of _bad and its other callers, which write it
        "auth/identity.py:_refusal",
        "exchange/second_thoughts.py:refusal_of",  # of the UpstreamFailed
        "control/problems.py:on_http_error",  # of starlette's routing
        "control/problems.py:on_proxy_error",  # of STATUSES
    }
)
ROUTING = {(404, "not_found"), (405, "method_not_allowed")}  # of starlette, on the admin listener


@dataclass(frozen=True, slots=True)
class Option:
    """One option: ``Listen.address``. ``comment``: what stands beside it in the source."""

    part: str
    name: str
    field: msgspec.structs.FieldInfo
    comment: str

    @property
    def key(self) -> str:
        return f"{self.part}.{self.name}"


# ---------------------------------------------------------------- options


def parts() -> dict[str, tuple[type[Part], list[str]]]:
    """Each part of the document by name, and the paths where it stands; in the order of a walk."""
    found: dict[str, tuple[type[Part], list[str]]] = {}

    def walk(part: type[Part], path: str) -> None:
        found.setdefault(part.__name__, (part, []))[1].append(path)
        for field in msgspec.structs.fields(part):
            below = f"{path}.{field.name}" if path else field.name
            for inner, shape in _inner(msgspec.inspect.type_info(field.type)):
                walk(inner, below + shape)

    walk(Document, "")
    return found


def _inner(info: Any, shape: str = "") -> Iterator[tuple[type[Part], str]]:
    """The parts in a type, with ``[]`` or ``.*`` for what is around them."""
    inspect = msgspec.inspect
    if isinstance(info, inspect.Metadata):
        yield from _inner(info.type, shape)
    elif isinstance(info, inspect.StructType):
        yield info.cls, shape
    elif isinstance(info, inspect.VarTupleType):
        yield from _inner(info.item_type, f"{shape}[]")
    elif isinstance(info, inspect.DictType):
        yield from _inner(info.value_type, f"{shape}.*")
    elif isinstance(info, inspect.UnionType):
        for one in info.types:
            yield from _inner(one, shape)


def options() -> list[Option]:
    """Every option of every part."""
    comments = _comments()
    return [
        Option(name, field.name, field, comments.get((name, field.name), ""))
        for name, (part, _) in parts().items()
        for field in msgspec.structs.fields(part)
    ]


def _comments() -> dict[tuple[str, str], str]:
    """What is written beside a field in the modules of ``config``, by part and field."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(Path(config.__file__).parent.glob("*.py")):
        found |= _comments_in(path.read_text())
    return found


def _comments_in(source: str) -> dict[tuple[str, str], str]:
    lines = source.splitlines()
    found = {}
    for node in [one for one in ast.parse(source).body if isinstance(one, ast.ClassDef)]:
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = lines[field.lineno - 1].partition("  # ")[2]
                comment = re.sub(r"^noqa: \w+( - )?", "", text)
                if comment:
                    found[node.name, field.target.id] = comment
    return found


# ---------------------------------------------------------------- problems


def problems(*, admin: bool) -> set[tuple[int, str]]:
    """Status and code of every problem that is made, by the admin listener or by the data path."""
    found = set(ROUTING) | set(STATUSES.values()) if admin else set(_upstream_problems())
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name.startswith("render/") or name.startswith("control/") is not admin:
            continue
        made, _ = problems_in(path.read_text(), name)
        found |= made
    return found


def unread_problems() -> set[str]:
    """Places that make a problem whose status and code cannot be read there."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        name = str(path.relative_to(PACKAGE))
        if not name.startswith("render/"):
            found |= problems_in(path.read_text(), name)[1]
    return found


def problems_in(source: str, name: str) -> tuple[set[tuple[int, str]], set[str]]:
    """Status and code of the problems that a module makes, and places where they are not written.

    A constant of the module may stand for the code.
    """
    tree = ast.parse(source)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    made: set[tuple[int, str]] = set()
    unread: set[str] = set()
    for place, call in _calls(tree, ""):
        maker = call.func.id if isinstance(call.func, ast.Name) else ""
        if maker not in MAKERS:
            continue
        status, code = (_value(one, constants) for one in (*call.args, None, None)[:2])
        if isinstance(status, int) and isinstance(code, str):
            made.add((status, code))
        elif maker != "_refusal":
            unread.add(f"{name}:{place}")
    return made, unread


def _value(node: ast.expr | None, constants: dict[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    return constants.get(node.id) if isinstance(node, ast.Name) else None


def _calls(node: ast.AST, place: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call, with the function or class around it."""
    for child in ast.iter_child_nodes(node):
        inside = place
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inside = f"{place}.{child.name}" if place else child.name
        if isinstance(child, ast.Call):
            yield inside, child
        yield from _calls(child, inside)


def _upstream_problems() -> Iterator[tuple[int, str]]:
    for failure in errors.UpstreamFailed.__subclasses__():
        yield failure.status, failure.code


def log_codes() -> set[str]:
    """Codes of the access log alone: the answer was begun, or nobody is there to get it."""
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    found = re.findall(r'\.cut\("(\w+)"\)|self\.code or "(\w+)"', "\n".join(sources))
    return {one or other for one, other in found}


# ---------------------------------------------------------------- the admin listener, metrics


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. ``token``: which one it needs, if any."""

    method: str
    path: str
    token: str
    does: str


def endpoints() -> list[Endpoint]:
    """All of the admin listener."""
    found = []
    for route in admin_app(None, Admin()).routes:  # type: ignore[arg-type]  # nothing is asked
        assert isinstance(route, Route)
        method = next(one for one in sorted(route.methods or ()) if one != "HEAD")
        path = route.path.replace(":path", "")
        found.append(Endpoint(method, path, _token(route.endpoint), _summary(route.endpoint)))
    return found


def _token(endpoint: Any) -> str:
    if not isinstance(endpoint.__self__, Changing):
        return ""
    return "registration" if endpoint.__name__ in ("register", "deregister") else "admin"


def _summary(endpoint: Any) -> str:
    return str(endpoint.__doc__).split("\n\n")[0].strip()


def uncounted_events() -> set[str]:
    """Names of metrics whose event is counted nowhere."""
    sources = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    counted = set(re.findall(r"(?:count|_on_event)\(\s*Event\.(\w+)", sources))
    return {event.value for event in families.FAMILIES if event.name not in counted}
