"""One alias and one schema per module over one connection string."""

from modules.platform.databases.aliases import (
    alias_of,
    installed_modules,
    module_aliases,
    module_of_alias,
)
from modules.platform.databases.transactions import atomic, begin_anew, open_transaction

__all__ = [
    "alias_of",
    "atomic",
    "begin_anew",
    "installed_modules",
    "module_aliases",
    "module_of_alias",
    "open_transaction",
]
