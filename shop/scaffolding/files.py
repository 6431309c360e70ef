"""The files of a standalone host: what each says, derived from the module's declaration.

Templates are in ``templates/``; ``$$`` is a dollar sign there. Everything is generated but the
prose at the top of README.md and, once it is there, CHANGELOG.md. The Dockerfile copies what
closure.txt lists, which ``manage.py modules closure`` finds once the host is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

from modules.platform.boundaries.closure_files import parts_in
from modules.platform.boundaries.declarations import Declaration, read_declarations
from modules.platform.boundaries.source import SourceTree
from modules.platform.hosting.host import standalone_host
from modules.platform.hosting.running.processes import host_processes
from modules.platform.hosting.variables import example
from shop.scaffolding.requirements import host_requirements

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".template"
# Stable: who has deployed a service on a port finds it there; new modules are added at the end.
PORTS = {"payment": 8101, "notification": 8102, "inventory": 8103, "shipping": 8104}
README, CHANGELOG, CLOSURE = "README.md", "CHANGELOG.md", "closure.txt"


class CannotHost(Exception):
    """There can be no standalone host of that module; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFiles:
    """The folder of a host and what its files say, by path from there."""

    folder: Path
    texts: dict[str, str]


def host_files(module: str, *, root: Path, folder: Path) -> HostFiles:
    """What ``scaffold_host`` writes into ``folder``, where prose and closure are looked up.

    Raises CannotHost, NotPinned.
    """
    declaration = _extractable(module, root)
    words = _words(declaration, folder)
    texts = {
        str(path.relative_to(TEMPLATES)).removesuffix(SUFFIX): _filled(path, words)
        for path in sorted(TEMPLATES.rglob(f"*{SUFFIX}"))
    }
    kept = folder / CHANGELOG
    if kept.exists():
        texts[CHANGELOG] = kept.read_text()
    texts["requirements.txt"] = host_requirements(root, module)
    texts[".env.example"] = _env_example(module, folder)
    return HostFiles(folder=folder, texts=texts)


def port_of(module: str) -> int:
    """The port of the module's host. Raises CannotHost for a module without one."""
    if module not in PORTS:
        raise CannotHost(f"{module} has no port yet: add it to PORTS in shop/scaffolding/files.py")
    return PORTS[module]


def mark_of(module: str) -> str:
    """The line of the README from which on it is generated."""
    return f"<!-- From here on written by manage.py scaffold_host {module}. -->"


def _extractable(module: str, root: Path) -> Declaration:
    declarations, _ = read_declarations(SourceTree(root))
    able = sorted(name for name, one in declarations.items() if one.extractable)
    if module not in declarations:
        raise CannotHost(f"there is no module {module}; extractable are {', '.join(able)}")
    if module not in able:
        raise CannotHost(
            f"{module} is declared extractable=False; those that are: {', '.join(able)}"
        )
    return declarations[module]


def _filled(path: Path, words: dict[str, str]) -> str:
    return Template(path.read_text()).substitute(words)


def _words(declaration: Declaration, folder: Path) -> dict[str, str]:
    module = declaration.name
    return {
        "module": module,
        "Module": module.title(),
        "MODULE": module.upper(),
        "port": str(port_of(module)),
        "purpose": declaration.purpose[:1].lower() + declaration.purpose[1:],
        "prose": _prose(declaration, folder),
        "mark": mark_of(module),
        "processes": ", ".join(_processes(module, folder)),
        "hears": ", ".join(f"`{ref}`" for ref in declaration.consumes) or "nothing",
        "says": ", ".join(f"`{ref}`" for ref in declaration.publishes) or "nothing",
        "copies": "\n".join(f"COPY {path} {path}" for path in _copied(folder)),
    }


def _prose(declaration: Declaration, folder: Path) -> str:
    """What somebody wrote at the top of the README; at first the module's purpose."""
    readme, mark = folder / README, mark_of(declaration.name)
    if not readme.exists() or mark not in readme.read_text():
        return declaration.purpose
    before = readme.read_text().partition(mark)[0]
    return before.partition("\n")[2].strip()  # below the title


def _processes(module: str, folder: Path) -> Iterator[str]:
    host = standalone_host(module, folder=folder, web_port=port_of(module))
    env = host.environment({})
    for process in host_processes(host, env, folder, host.modules, entrance=""):
        yield f"`{process.name}`"


def _env_example(module: str, folder: Path) -> str:
    host = standalone_host(module, folder=folder, web_port=port_of(module))
    header = f"Made by manage.py scaffold_host {module}; every line shows the default."
    return example(host.all_variables, header=header)


def _copied(folder: Path) -> tuple[str, ...]:
    """What the service is made of, as its closure says; nothing before there is one."""
    closure = folder / CLOSURE
    return tuple(parts_in(closure.read_text())) if closure.exists() else ()
