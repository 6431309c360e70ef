"""httpx without its command line, which would load pygments and rich: 50 ms of the processor.

httpx is prepared for an installation without them. Whoever wants them afterwards gets them.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["httpx"]

_modules: dict[str, Any] = sys.modules
_WANTED = "pygments"  # by the command line alone, and not there: then httpx leaves it out

if _WANTED in _modules:
    import httpx
else:
    _modules[_WANTED] = None  # an import of it fails
    try:
        import httpx
    finally:
        del _modules[_WANTED]
