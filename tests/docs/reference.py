"""Makes ``docs/proxy-reference.md`` of the front door's code.

    python -m tests.docs.reference              # 1 if the page is not what the code says
    python -m tests.docs.reference --write

What an option, a problem or a field means stands in ``meanings``, or beside the option in its
source.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from strangler_proxy.access_log.line import Line
from strangler_proxy.control.families import PREFIX, families
from strangler_proxy.render import Severity, Target, render
from tests.docs.inventory import endpoints, log_codes, problems, uncounted_events
from tests.docs.meanings import ADMIN_PROBLEMS, LABELS, LOG_FIELDS, PROBLEMS
from tests.docs.option_tables import Undocumented, option_tables, table
from tests.docs.proofs import Proofs
from tests.proxy.front import REPOSITORY
from tests.proxy.render.documents import document, full

PAGE = REPOSITORY / "docs" / "proxy-reference.md"
KEPT = {None: "yes", Severity.APPROXIMATED: "*nearly*", Severity.LOST: "**no**"}
HEAD = """\
# strangler_proxy: every option, problem, metric and endpoint

Made of the code by `python -m tests.docs.reference --write`; a test holds it to the code. What it
is for stands in [proxy.md](proxy.md) and [proxy-operating.md](proxy-operating.md).

- [Options](#options)
- [Problems](#problems), and those [of the admin listener](#problems-of-the-admin-listener)
- [Admin endpoints](#admin-endpoints), [metrics](#metrics), [access log](#access-log)
- [What other data planes keep](#what-other-data-planes-keep)
"""


def reference(proofs: Proofs) -> str:
    """The whole page. Raises Undocumented."""
    return "\n".join(
        [
            HEAD,
            *("## Options", *option_tables(proofs)),
            *("## Problems", *_problems()),
            *("## Problems of the admin listener", *_admin_problems()),
            *("## Admin endpoints", *_endpoints()),
            *("## Metrics", *_metrics()),
            *("## Access log", *_log_fields()),
            *("## What other data planes keep", *_kept()),
        ]
    )


# ---------------------------------------------------------------- problems


def _problems() -> Iterator[str]:
    yield "`code` of what the front door answers by itself, and of the access log.\n"
    made = problems(admin=False)
    log_only = {(0, code) for code in log_codes() - {code for _, code in made}}
    yield _problem_table(made | log_only, PROBLEMS, "PROBLEMS")


def _admin_problems() -> Iterator[str]:
    yield _problem_table(problems(admin=True), ADMIN_PROBLEMS, "ADMIN_PROBLEMS")


def _problem_table(
    made: set[tuple[int, str]], known: dict[str, tuple[str, str]], where: str
) -> str:
    found = {code for _, code in made}
    if found != known.keys():
        odd = ", ".join(sorted(found ^ known.keys()))
        raise Undocumented(f"{odd}: in the code or in meanings.{where}, but not in both")
    rows = [[str(status or "log"), f"`{code}`", *known[code]] for status, code in sorted(made)]
    return table(["status", "code", "meaning", "what to do"], rows)


# ---------------------------------------------------------------- what is seen from outside


def _endpoints() -> Iterator[str]:
    yield (
        "Where the registration token is named, the admin token is as good. HEAD goes where GET\n"
        "goes.\n"
    )
    rows = [
        [f"`{one.method}`", f"`{one.path}`", one.token, one.does.replace("``", "`")]
        for one in endpoints()
    ]
    yield table(["method", "path", "token", "does"], rows)


def _metrics() -> Iterator[str]:
    yield (
        "Of all workers together. Labels are names of the document, but for those below; a family\n"
        "without any sample has its HELP and TYPE only.\n"
    )
    uncounted = uncounted_events()
    rows = []
    for family in families([], document(), ready=True):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(f"`{one}`" for one in family.labels)
        never = " *Not counted yet.*" if _event(family.name) in uncounted else ""
        rows.append([f"`{name}`", family.type, labels, f"{family.documentation}{never}"])
    names = {row[0].strip("`") for row in rows}
    for name in LABELS:
        if f"{PREFIX}_{name}" not in names:
            raise Undocumented(f"{name}: is in meanings.LABELS, but no metric")
    yield table(["metric", "type", "labels", "meaning"], rows)
    yield table(["of", "labels"], [[f"`{PREFIX}_{name}`", text] for name, text in LABELS.items()])


def _event(family: str) -> str:
    return family.removeprefix(f"{PREFIX}_")


def _log_fields() -> Iterator[str]:
    fields = [field.name for field in msgspec.structs.fields(Line)]
    if set(fields) != LOG_FIELDS.keys():
        odd = ", ".join(sorted(set(fields) ^ LOG_FIELDS.keys()))
        raise Undocumented(f"{odd}: in log_line.Line or in meanings.LOG_FIELDS, but not in both")
    yield (
        "In this order; those that have nothing to say are left out. Where lines were dropped\n"
        'stands `{"event": "access_log.lines_lost", "ts": ..., "lines": ...}`.\n'
    )
    yield table(["member", "meaning"], [[f"`{name}`", LOG_FIELDS[name]] for name in fields])


# ---------------------------------------------------------------- other data planes


def _kept() -> Iterator[str]:
    yield (
        "What `--render` says of a document that uses every option: **no**, it has no effect\n"
        "there; *nearly*, it has one, but not quite this one. `--render` gives the reasons, and\n"
        "what to do instead. What is not listed is kept by all four.\n"
    )
    found: dict[str, dict[Target, Severity]] = defaultdict(dict)
    for target in Target:
        for note in reversed(render(full(), target).notes):  # what is lost comes last, and counts
            found[_general(note.path)][target] = note.severity
    rows = [
        [f"`{path}`", *(KEPT[_severity(found, path, target)] for target in Target)]
        for path in sorted(found)
    ]
    yield table(["option", *Target], rows)


def _severity(
    found: dict[str, dict[Target, Severity]], path: str, target: Target
) -> Severity | None:
    """Of an option that is lost, so is all below it."""
    above = [one for one in found if path.startswith((f"{one}.", f"{one}["))]
    if any(found[one].get(target) is Severity.LOST for one in above):
        return Severity.LOST
    return found[path].get(target)


def _general(path: str) -> str:
    """``routes[].cache`` of ``$.routes[3].cache``."""
    named = re.sub(r"^\$\.(upstreams|capabilities|rate_limits)\.[a-z0-9_-]+", r"\1.*", path)
    return re.sub(r"\[\d+\]", "[]", named).removeprefix("$.")


def main() -> int:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description="Make docs/proxy-reference.md of the code.")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made = reference(Proofs.read())
    if given.write:
        PAGE.write_text(made)
        return 0
    return 0 if PAGE.exists() and PAGE.read_text() == made else 1


if __name__ == "__main__":
    sys.exit(main())
