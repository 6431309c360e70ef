"""The plan of one module or of all: put together from code, database and metrics, and ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from modules.extraction.errors import WrongPhase
from modules.extraction.modules_here import check_module, retired_modules
from modules.extraction.phases import Phase
from modules.extraction.planning.code import CodeReader
from modules.extraction.planning.data import data_of
from modules.extraction.planning.pause import pause_of
from modules.extraction.planning.plans import Code, Data, Plan, Plans, Site
from modules.extraction.planning.seen import samples_at, seen_of
from modules.extraction.standings import standing_of
from modules.platform.boundaries.checks import check_source
from modules.platform.boundaries.declarations import Declaration, read_declarations
from modules.platform.boundaries.source import SourceTree
from modules.platform.boundaries.violations import Violation
from modules.platform.databases.aliases import alias_of
from modules.platform.databases.roles import login


def plan(module: str | None = None, *, seconds: float = 0.0, metrics: str = "") -> Plans:
    """Of ``module``, or of all that this host composes, the readiest first.

    ``seconds`` is how long writes are watched; 0: their average since PostgreSQL counts.
    ``metrics`` is the address of a running host's ``/metrics``. Raises NoSuchModule, psycopg's
    errors, and httpx's for ``metrics``.
    """
    if module is not None:
        check_module(module)
        _check_here(module)
    samples = samples_at(metrics) if metrics else ()
    root, chosen = Path(settings.BASE_DIR), (module,) if module else tuple(settings.FICUS_MODULES)
    tree = SourceTree(root)
    declarations, _ = read_declarations(tree)
    reader = CodeReader(tree, declarations)
    violations, notes = _violations(root)
    found = []
    for name in chosen:
        code, data = reader.of(name), _data(name, seconds)
        found.append(
            Plan(
                module=name,
                owner=declarations[name].owner,
                phase=standing_of(name).phase.value,
                code=code,
                data=data,
                seen=seen_of(name, samples, source=metrics),
                blockers=tuple(_blockers(declarations[name], root, code, data, violations)),
                pause_ms=pause_of(data),
            )
        )
    return Plans(plans=tuple(sorted(found, key=_rank)), notes=notes)


def _check_here(module: str) -> None:
    """Raises WrongPhase: what is not here any more cannot be looked at, nor moved again."""
    if module in retired_modules():
        raise WrongPhase(module=module, phase=Phase.RETIRED, verb="plan", possible=())


def _violations(root: Path) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """What breaks the boundaries, and what could not be looked at."""
    cache = Path(settings.FICUS_HOME) / "cache" / "grimp"
    cache.parent.mkdir(parents=True, exist_ok=True)
    try:
        return check_source(root, cache=cache), ()
    except ModuleNotFoundError as error:  # a production image has no import-linter
        return (), (f"boundaries are not checked here: there is no {error.name}",)


def _data(module: str, seconds: float) -> Data:
    with login(alias_of(module)) as connection:
        return data_of(connection, module, seconds=seconds)


def _rank(one: Plan) -> tuple[int, int, int, float]:
    """What is in the way first, then what would become slower, then what is moved."""
    links = one.code.links
    ties = len(one.code.chatty) * 3 + len(links.calls_in) + len(links.calls_out)
    return len(one.blockers), ties + len(one.code.unrepeatable), one.data.rows, one.pause_ms


def _blockers(
    one: Declaration, root: Path, code: Code, data: Data, violations: Sequence[Violation]
) -> Iterator[Site]:
    if not one.extractable:
        line = one.line("MODULE")
        yield Site(path=one.path, line=line, fact="it does not declare extractable=True")
    if not (root / "extracted" / one.name / "manage.py").is_file():
        fact = f"it has no host; manage.py scaffold_host {one.name} writes one"
        yield Site(path=f"extracted/{one.name}", line=0, fact=fact)
    for site in code.in_transaction:
        fact = f"{site.fact} is called inside a transaction"
        yield Site(path=site.path, line=site.line, fact=fact)
    for table in data.tables:
        for fault in table.faults:
            fact = f"{table.name}: {fault}"
            yield Site(path=f"modules/{one.name}/migrations", line=0, fact=fact)
    for wrong in violations:
        if wrong.path.startswith(f"modules/{one.name}/"):
            yield Site(path=wrong.path, line=wrong.line, fact=wrong.fact)
