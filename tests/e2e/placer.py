"""Places modules for a test, from a process that is there already: ``manage.py placement set``
without its start. One line of JSON in for each change, one out when it is made.

    {"module": "payment", "percent": 50, "reason": "why"}
    {"at": 1763645134.5, "revision": 7, "doors": ["http://127.0.0.1:8009"], "error": ""}

``at``: the time of day when the table was changed; ``doors``: those that do not follow.
"""

from __future__ import annotations

import json
import os
import sys

import django


def main() -> None:
    """Until the end of the input."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")
    django.setup()
    from modules.platform.contracts import ContractError
    from modules.platform.placement import table
    from modules.platform.placement.placing import place

    for line in sys.stdin:
        asked = json.loads(line)
        told = {"at": 0.0, "revision": 0, "doors": [], "error": ""}
        try:
            change = place(**asked)
            told["revision"] = change.after.revision
            entry = table.entries().get(asked["module"])
            told["at"] = entry.changed_at.timestamp() if entry else 0.0
            told["doors"] = [one.door for one in change.doors if not one.follows]
        except ContractError as error:
            told["error"] = str(error)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
