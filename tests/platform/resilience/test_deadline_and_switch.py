"""Deadlines on a clock of one's own, and switches that people throw."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from modules.platform.resilience import Deadline, DeadlinePassed, KillSwitch, SwitchedOff
from tests.platform.resilience.clocks import Clock


@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 1000))
def test_deadline_counts_down(seconds: float, passed: float, wanted: float) -> None:
    """What is left is never negative, and caps every timeout."""
    clock = Clock()
    deadline = Deadline.within(seconds, clock)
    clock.now += passed

    assert deadline.remaining() == pytest.approx(max(0, seconds - passed), abs=1e-6)
    assert deadline.cap(wanted) <= min(wanted, deadline.remaining())
    assert deadline.passed() == (deadline.remaining() == 0)


def test_passed_deadline_names_what_there_is_no_time_for() -> None:
    """So that the log says which call it was."""
    clock = Clock()
    deadline = Deadline.within(1, clock)
    deadline.check("payment.refund")
    clock.now += 1

    with pytest.raises(DeadlinePassed, match=r"payment\.refund"):
        deadline.check("payment.refund")


@pytest.mark.parametrize(
    ("off", "name", "is_off"),
    [
        ("payment.refund", "payment.refund", True),
        ("payment.refund", "payment.capture", False),
        ("payment.*", "payment.capture", True),
        ("payment.*", "payments.capture", False),
        ("*", "shipping.quotes", True),
    ],
)
def test_switch_turns_off_one_a_family_or_all(off: str, name: str, is_off: bool) -> None:
    """The reason is told to whoever is refused."""
    switch = KillSwitch()
    switch.turn_off(off, reason="provider is down")

    if is_off:
        with pytest.raises(SwitchedOff, match=f"{name} is switched off: provider is down"):
            switch.check(name)
    else:
        switch.check(name)

    switch.turn_on(off)
    switch.check(name)


def test_switch_needs_a_reason() -> None:
    """Somebody will ask."""
    with pytest.raises(ValueError, match=r"payment\.refund off needs a reason"):
        KillSwitch().turn_off("payment.refund", reason=" ")


def test_switch_takes_over_what_is_stored() -> None:
    """Other processes learn it from a table or Redis."""
    switch = KillSwitch({"a.b": "x"})
    switch.replace({"c.d": "y"})

    assert switch.off() == {"c.d": "y"}
    assert switch.reason("a.b") is None
    switch.turn_on("never was off")


def test_resilience_needs_the_standard_library_only() -> None:
    """Hosts without Django import it: nothing else is loaded with it."""
    program = (
        "import sys; import modules.platform.resilience; "
        "names = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(names - set(sys.stdlib_module_names) - {'modules', '__main__'}))"
    )
    run = [sys.executable, "-S", "-c", program]

    done = subprocess.run(run, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
