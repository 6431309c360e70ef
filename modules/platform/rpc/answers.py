"""What an answer means to its caller: a value, the module's own error, or an error of the call."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from modules.platform.binding import Method
from modules.platform.contracts import ContractError
from modules.platform.contracts.codec import CodecError
from modules.platform.rpc.carriers import Carrier, Told
from modules.platform.rpc.errors import (
    CallMisunderstood,
    CallRefused,
    ErrorNotUnderstood,
    ModuleFailed,
    ModuleUnreachable,
)
from modules.platform.rpc.wire import Outcome, Raised, Refused, rebuilt

log = structlog.get_logger(__name__)

IN_BETWEEN = frozenset({502, 503, 504})  # statuses of gateways: the module has not been asked

_raised = msgspec.json.Decoder(Raised)
_refused = msgspec.json.Decoder(Refused)


def value_in(told: Told, method: Method, carrier: Carrier, url: str) -> Any:
    """The value. Raises what the module has raised, CallRefused, CallMisunderstood, ModuleFailed,
    ErrorNotUnderstood, and ModuleUnreachable when a gateway has answered.
    """
    name = method.full_name
    try:
        match told.outcome:
            case Outcome.ANSWERED:
                return carrier.value(told.body)
            case Outcome.RAISED:
                raise _error(_raised.decode(told.body), method)
            case Outcome.REFUSED:
                raise _refusal(told.status, _refused.decode(told.body), name)
            case Outcome.FAILED:
                raise ModuleFailed(module=method.module, method=name)
    except (CodecError, msgspec.MsgspecError) as error:
        raise CallMisunderstood(name, "bad_answer", str(error)) from error
    raise _without_host(told.status, method, url)


def _error(told: Raised, method: Method) -> ContractError:
    error = rebuilt(told)
    if error is not None:
        return error
    kind = f"{told.module}.{told.type}"
    return ErrorNotUnderstood(module=method.module, method=method.full_name, error=kind)


def _refusal(status: int, told: Refused, name: str) -> CallRefused | CallMisunderstood:
    kind = CallRefused if status == 401 else CallMisunderstood
    log.error("rpc.call_refused", call=name, reason=told.reason, detail=told.detail)
    return kind(name, told.reason, told.detail)


def _without_host(status: int, method: Method, url: str) -> Exception:
    """Somebody in between has answered."""
    module, name = method.module, method.full_name
    if status in IN_BETWEEN:
        return ModuleUnreachable(module=module, method=name, reason=f"{url} answered {status}")
    if status >= 500:
        return ModuleFailed(module=module, method=name)
    detail = f"{url} answered {status}, and not as a host of modules does"
    return CallMisunderstood(name, "no_host", detail)
