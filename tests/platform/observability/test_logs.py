"""What the libraries' logs look like once they are ours."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from celery.exceptions import Reject


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """All that Celery's worker logs of its tasks, as this process is configured."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("celery.app.trace")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("error", "has_traceback"),
    [(Reject("elsewhere", requeue=True), False), (ValueError("wrong"), True)],
)
def test_a_task_handed_back_is_a_line_and_a_fault_has_its_traceback(
    error: Exception, has_traceback: bool, said: io.StringIO
) -> None:
    """Logged as a worker does it: with what was raised."""
    failure = (type(error), error, error.__traceback__)
    logging.getLogger("celery.app.trace").warning("Task bus.deliver", exc_info=failure)
    lines = said.getvalue().splitlines()
    assert lines[0] == "Task bus.deliver"
    assert (len(lines) > 1) is has_traceback
