"""The runbook says what there is: the code's guards, commands, metrics, log events, messages."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError

from modules.extraction.guards import Guard, anchor_of, hints
from modules.extraction.protocol.healing import State
from modules.extraction.raising import Ending
from modules.extraction.running.waiting import COMING
from modules.extraction.verbs import VERBS
from strangler_proxy.control.families import families
from tests.docs.markdown import sections, tables
from tests.proxy.render.documents import document

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extraction-runbook.md"
EXTRACTION = ROOT / "modules" / "extraction"
# What makes a guard, and where its name stands.
MAKERS = frozenset({"Guard", "Check", "_none_of", "_reasonless", "_at_least"})
INSTRUMENTS = frozenset({"Counter", "Gauge", "Histogram", "Figure"})
LOGGERS = frozenset({"debug", "info", "warning", "error", "exception"})
SUFFIXES = ("", "_bucket", "_count", "_sum")
LONG_ENOUGH = 12  # characters: a shorter piece of a message stands anywhere


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def sources(folder: Path) -> Iterator[Path]:
    return (one for one in folder.rglob("*.py") if "migrations" not in one.parts)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Each call in it, by the name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            yield (node.func.id if isinstance(node.func, ast.Name) else name), node


def said(tree: ast.AST, makers: frozenset[str]) -> Iterator[str]:
    """The text that such calls have first, or as ``name``."""
    for maker, call in calls(tree):
        if maker in makers:
            named = [one.value for one in call.keywords if one.arg == "name"]
            for value in (*call.args[:1], *named):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def guards_of_code() -> set[str]:
    return {name for path in sources(EXTRACTION) for name in said(tree_of(path), MAKERS)}


def declared_metrics(tree: ast.AST) -> Iterator[tuple[str, frozenset[str]]]:
    """Each metric of prometheus_client that is made in it, with its labels."""
    for maker, call in calls(tree):
        if maker in INSTRUMENTS:
            labels = ast.literal_eval(call.args[2]) if len(call.args) > 2 else ()
            yield from ((name, frozenset(labels)) for name in said(call, INSTRUMENTS))


@cache
def metrics_of_code() -> Mapping[str, frozenset[str]]:
    """Every name that a scraper sees, of hosts and of front doors, with its labels."""
    found = dict[str, frozenset[str]]()
    for path in sources(ROOT / "modules"):
        if "from prometheus_client" in path.read_text():
            found |= dict(declared_metrics(tree_of(path)))
    for family in families([], document(), ready=True):
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = frozenset(family.labels)
    return {name + end: labels for name, labels in found.items() for end in SUFFIXES}


def pieces(node: ast.AST) -> Iterator[str]:
    """The constant parts of its sentences that are long enough to be known by; no docstrings."""
    alone = {id(one.value) for one in ast.walk(node) if isinstance(one, ast.Expr)}
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in alone:
            words = one.value.strip(" ;:,().'")
            if len(words) >= LONG_ENOUGH and " " in words:
                yield words


def errors_of_protocol() -> dict[str, tuple[str, ...]]:
    """The protocol's errors that have a sentence of their own, and its pieces."""
    body = tree_of(EXTRACTION / "protocol" / "errors.py").body
    found = {one.name: tuple(pieces(one)) for one in body if isinstance(one, ast.ClassDef)}
    return {name: words for name, words in found.items() if words}


def function(path: str, name: str) -> ast.AST:
    nodes = ast.walk(tree_of(EXTRACTION / path))
    return next(one for one in nodes if isinstance(one, ast.FunctionDef) and one.name == name)


def text() -> str:
    return PAGE.read_text()


def flat() -> str:
    return re.sub(r"\s+", " ", text())


def below(title: str) -> list[str]:
    """The headings of the third level in the part of that title."""
    part = text().partition(f"\n## {title}\n")[2]
    return re.findall(r"^### (.+)$", part.partition("\n## ")[0], re.MULTILINE)


def commands(page: str) -> set[str]:
    """Every line for manage.py, in code or as it is typed."""
    return set(re.findall(r"(?:`|^\$ )manage\.py ([^`\n]+)", page, re.MULTILINE))


def parse(line: str) -> None:
    """By the command's own parser. Raises CommandError."""
    name, *arguments = shlex.split(line)
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(arguments)


def rules(page: str) -> list[dict[str, str]]:
    """The alerts, as Prometheus reads them."""
    [block] = re.findall(r"^```yaml\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    return [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]


def anchors() -> set[str]:
    return {one.anchor for one in sections(text())}


def test_every_guard_has_its_section_and_every_section_its_guard() -> None:
    """By the very name that the table of guards shows."""
    assert sorted(guards_of_code()) == sorted(below("Guards"))
    assert len(guards_of_code()) > 20


@pytest.mark.parametrize(
    "source",
    [
        "Guard(name='moon phase', have='', need='', passes=True)",
        "Check('moon phase', '', '', True)",
        "_none_of('moon phase', ())",
        "_reasonless('moon phase', '', fine='')",
        "_at_least('moon phase', 0, 1)",
    ],
)
def test_a_new_guard_is_seen_however_it_is_made(source: str) -> None:
    """So the test above can fail."""
    assert list(said(ast.parse(source), MAKERS)) == ["moon phase"]


def test_guards_are_made_in_these_ways_only() -> None:
    """One whose name is computed would be missed: only the makers themselves may do that."""
    for path in sources(EXTRACTION):
        for maker, call in calls(tree_of(path)):
            if maker == "Guard" and not list(said(call, MAKERS)):
                names = [ast.unparse(one.value) for one in call.keywords if one.arg == "name"]
                assert names in (["name"], ["one.name"]), path


def test_a_guard_that_does_not_pass_leads_to_its_section() -> None:
    """What a verb prints is a heading of this page; one that passes leads nowhere."""
    for name in guards_of_code():
        failed = Guard(name=name, have="", need="", passes=False)
        page, _, anchor = failed.see.partition("#")
        assert ROOT / page == PAGE
        assert anchor in anchors(), name
        assert hints([failed]) == (f"{name}: see {page}#{anchor}",)
        assert hints([Guard(name=name, have="", need="", passes=True)]) == ()
    assert anchor_of("moon phase") not in anchors()


def test_anchors_are_those_that_the_pages_tests_know() -> None:
    """Of every heading of the page, with all that may stand in one."""
    for one in sections(text()):
        assert anchor_of(one.title) == one.anchor


def test_each_guard_says_what_to_do_and_what_not() -> None:
    """And what it means, why it is there, how one knows that it is over, whether ``run`` waits."""
    part = text().partition("\n## Guards\n")[2].partition("\n## ")[0]
    for section in part.split("\n### ")[1:]:
        title, _, words = section.partition("\n")
        for word in ("Means", "Why", "Do", "Not", "Over"):
            assert f"- **{word}**" in section, (title, word)
        assert words.startswith("*waits*") is (title in COMING), title


def test_the_guards_of_each_verb_are_listed() -> None:
    """Every guard belongs to some verb, and every verb of the table is there."""
    part = text().partition("\n## Guards\n")[2].partition("\n### ")[0]
    rows = list(tables(part))[2:]
    verbs = {word for row in rows for word in re.findall(r"`(\w+)`", row[0])}
    assert verbs == set(VERBS) - {"plan", "status", "log", "run"}
    assert {
        word for row in rows for word in re.findall(r"\[(.+?)\]\(#", row[1])
    } >= guards_of_code()


def test_every_command_on_the_page_parses() -> None:
    """Verbs, options and how many arguments they take: by the real parsers."""
    lines = commands(text())
    assert len({one for one in lines if one.startswith("strangler ")}) > 30
    for line in sorted(lines):
        try:
            parse(line)
        except (CommandError, KeyError) as error:
            pytest.fail(f"manage.py {line}: {error!r}")


@pytest.mark.parametrize(
    "line", ["strangler heal payment", "strangler verify payment --fast", "strangler retire"]
)
def test_a_command_that_is_not_there_does_not_parse(line: str) -> None:
    """The test above can fail."""
    assert commands(f"say `manage.py {line}` now") == {line}
    with pytest.raises(CommandError):
        parse(line)


def test_every_metric_on_the_page_is_counted_somewhere() -> None:
    """By the name that a scraper sees."""
    named = set(re.findall(r"\bficus_\w+", text()))
    assert len(named) > 15
    assert sorted(named - set(metrics_of_code())) == []


def test_alerts_ask_for_labels_that_there_are() -> None:
    """Else they would never fire; and each leads to a section."""
    for rule in rules(text()):
        used = re.findall(r"(ficus_\w+)(?:\{(.*?)\})?", rule["expr"])
        assert used, rule
        for name, chosen in used:
            assert set(re.findall(r'(\w+)[=!]~?"', chosen)) <= metrics_of_code()[name], rule
        labels = set().union(*(metrics_of_code()[name] for name, _ in used))
        for group in re.findall(r"(?:by|on) \((.*?)\)", rule["expr"]):
            assert set(group.split(", ")) <= labels, rule
        assert rule["expr"].count("(") == rule["expr"].count(")"), rule
    linked = re.findall(r"- alert: \w+  # (\S+)", text())
    assert len(linked) == len(rules(text()))
    assert set(linked) <= anchors()


def test_links_within_the_page_lead_somewhere() -> None:
    """To a heading, or to a page that is there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text()):
        page, _, anchor = target.partition("#")
        assert not page or (PAGE.parent / page).is_file(), target
        assert page or anchor in anchors(), target


def test_every_log_event_on_the_page_is_logged() -> None:
    """Under that name."""
    named = set(re.findall(r"`((?:extraction|move|bus|placement)\.[a-z_]+)`", text()))
    assert len(named) > 8
    made = {
        event
        for path in sources(ROOT / "modules")
        if any(one in path.read_text() for one in named)
        for event in said(tree_of(path), LOGGERS)
    }
    assert sorted(named - made) == []


def test_every_error_of_the_protocol_is_there_as_it_is_said() -> None:
    """What an operator reads can be searched for on the page."""
    page = flat()
    assert len(errors_of_protocol()) > 8
    for name, words in errors_of_protocol().items():
        assert [one for one in words if one not in page] == [], name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("receipts.py", "_wrong"),
        ("healing.py", "_of_retirement"),
        ("healing.py", "_of_archives"),
        ("healing.py", "_of_installation"),
        ("healing.py", "_of_receipts"),
        ("healing.py", "_of_steps"),
        ("planning/readiness.py", "_blockers"),
    ],
)
def test_what_is_found_is_there_as_it_is_said(path: str, name: str) -> None:
    """What ``doctor`` finds, what a receipt lacks, what blocks a plan."""
    found = function(path, name)
    facts = [
        one
        for one in ast.walk(found)
        if isinstance(one, ast.Return)
        or (isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "fact")
    ]
    words = [piece for one in facts for piece in pieces(one)]
    assert words
    assert [one for one in words if one not in flat()] == []


def test_states_and_endings_are_there() -> None:
    """All that two databases can say together, and how a canary can end badly."""
    for state in State:
        assert f"`{state}`" in text() or f": {state}`" in text(), state
    for ending in (Ending.PAUSED, Ending.ROLLED_BACK, Ending.TAKEN, Ending.REACHED):
        assert re.search(rf"`[^`]*\b{ending}\b[^`]*`", text()), ending
