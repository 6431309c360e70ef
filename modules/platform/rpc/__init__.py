"""Calls between hosts: the route to another one, and the answers to others' calls."""

from modules.platform.rpc.calls import CallPolicy, Calls, calls
from modules.platform.rpc.choosing import Chooser
from modules.platform.rpc.errors import (
    CallError,
    CallMisunderstood,
    CallRefused,
    ErrorNotUnderstood,
    MethodSwitchedOff,
    ModuleFailed,
    ModuleOverloaded,
    ModuleResting,
    ModuleUnreachable,
)
from modules.platform.rpc.route import RemoteRoute

__all__ = [
    "CallError",
    "CallMisunderstood",
    "CallPolicy",
    "CallRefused",
    "Calls",
    "Chooser",
    "ErrorNotUnderstood",
    "MethodSwitchedOff",
    "ModuleFailed",
    "ModuleOverloaded",
    "ModuleResting",
    "ModuleUnreachable",
    "RemoteRoute",
    "calls",
]
