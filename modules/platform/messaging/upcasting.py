"""Old versions of events are lifted, one version at a time, to the one a consumer reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules.platform.messaging.errors import UnacceptableVersion

Data = dict[str, Any]
Upcast = Callable[[Data], Data]

_chain: dict[tuple[str, int], Upcast] = {}


def upcast(type_name: str, from_version: int, fn: Upcast) -> None:
    """Register ``fn``: the JSON data of ``from_version`` becomes that of the next version.

    ``type_name`` is without version (``payment.payment_authorized``). Raises ``ValueError`` when
    the step is there already: two ways up would make the result depend on the import order.
    """
    step = (type_name, from_version)
    if _chain.get(step, fn) is not fn:
        raise ValueError(f"{type_name} has an upcast from version {from_version} already")
    _chain[step] = fn


def accepted_versions(type_name: str, wanted: int) -> tuple[int, ...]:
    """The versions from which the chain leads to ``wanted``, itself included."""
    lowest = wanted
    while (type_name, lowest - 1) in _chain:
        lowest -= 1
    return tuple(range(lowest, wanted + 1))


def lift(type_name: str, version: int, wanted: int, data: Data) -> Data:
    """``data`` of ``version`` as that of ``wanted``. Raises UnacceptableVersion."""
    if version not in accepted_versions(type_name, wanted):
        raise UnacceptableVersion(type_name, version, wanted)
    for step in range(version, wanted):
        data = _chain[type_name, step](data)
    return data


def forget(type_name: str) -> None:
    """For tests: drop the chain of ``type_name``."""
    for step in [step for step in _chain if step[0] == type_name]:
        del _chain[step]
