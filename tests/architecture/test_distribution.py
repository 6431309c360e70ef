"""What shares an expensive fixture runs on one worker; a group that has no effect is found."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.distribution import Together, unit_of

TESTS = Path(__file__).parents[1]
OF_ONE_FILE = re.compile(r'^@pytest\.fixture\(scope="module"', re.MULTILINE)
# Their fixtures of the file are cheap: a stand-in, a certificate, a list.
CHEAP = {
    "tests/contracts/test_payment.py",
    "tests/modules/notification/test_smtp_security.py",
    "tests/modules/payment/test_stripe.py",
}


class Worker:
    """Notes which tests it is given, by their numbers."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def distributed(config: pytest.Config, tests: list[str]) -> list[set[str]]:
    """What each of two workers runs, the first three times as fast as the second."""
    scheduler = Together(config)
    workers: list[Any] = [Worker("first"), Worker("second")]
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    done = [0, 0]
    while sum(done) < len(tests):
        for which, steps in ((0, 3), (1, 1)):
            for number in workers[which].given[done[which] : done[which] + steps]:
                scheduler.mark_test_complete(workers[which], number)
                done[which] += 1
    return [{tests[number] for number in worker.given} for worker in workers]


def test_what_shares_a_fixture_runs_on_one_worker(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the front door, and all that is done to the one shop; other files are divided."""
    monkeypatch.setattr(pytestconfig.option, "tx", ["popen", "popen"])
    files = ("tests/proxy/test_canary.py", "tests/e2e/test_up.py", "tests/e2e/test_admin.py")
    together = [f"{file}::test_{number}" for file in files for number in range(8)]
    apart = [f"tests/platform/keys/test_ring.py::test_{number}" for number in range(40)]
    first, second = distributed(pytestconfig, together + apart)
    assert first | second == {*together, *apart}
    assert not first & second
    assert not {unit_of(test) for test in first} & {unit_of(test) for test in second}
    assert first & {*apart}
    assert second & {*apart}


def test_tests_with_one_id_are_refused(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xdist would run one of them, and call it all."""
    monkeypatch.setattr(pytestconfig.option, "tx", ["popen", "popen"])
    with pytest.raises(pytest.UsageError, match=r"have the same id: tests/one\.py::test$"):
        distributed(pytestconfig, [f"tests/{file}.py::test" for file in ("one", "two", "one")])


def test_files_with_fixtures_of_their_own_are_not_divided() -> None:
    """Else both workers would make them."""
    found = {
        path.relative_to(TESTS.parent).as_posix()
        for path in TESTS.rglob("test_*.py")
        if OF_ONE_FILE.search(path.read_text())
    }
    assert len(found) > 30
    divided = {file for file in found if unit_of(f"{file}::test") == f"{file}::test"}
    assert divided == CHEAP


def test_no_test_relies_on_the_marker_that_has_no_effect() -> None:
    """``xdist_group`` is not read: units are named in tests/distribution.py."""
    marker = "mark." + "xdist_group"
    assert [path for path in TESTS.rglob("*.py") if marker in path.read_text()] == []
