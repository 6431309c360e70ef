"""What a host's log says of a task that ends in an error."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from celery.app.trace import build_tracer

from modules.platform.contracts import Fenced, Moved
from shop.celery import app


@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        (Fenced(module="payment", epoch=3), logging.INFO, "raised expected: Fenced("),
        (Moved(module="payment", epoch=4), logging.INFO, "raised expected: Moved("),
        (ValueError("x"), logging.ERROR, "raised unexpected: ValueError('x')"),
    ],
    ids=["fenced", "moved", "a fault"],
)
def test_a_refusal_while_a_module_moves_is_no_fault(
    error: Exception, level: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line that does not alarm; a fault comes with its traceback."""

    @app.task(name=f"test.{uuid4().hex}")
    def refused() -> None:
        raise error

    caplog.set_level(logging.INFO, "celery.app.trace")
    build_tracer(refused.name, refused, app=app)(uuid4().hex, (), {}, {"is_eager": False})
    app.tasks.pop(refused.name)
    [line] = [one for one in caplog.records if refused.name in one.getMessage()]
    assert (line.levelno, said in line.getMessage()) == (level, True)
    assert bool(line.exc_info) == (level == logging.ERROR)
