"""Messages of sources without order or positions (webhooks) are remembered one by one."""

from __future__ import annotations

from datetime import timedelta

from modules.platform.messaging.database import execute

KEEP = timedelta(days=35)  # Stripe may redeliver for 3 days, and by hand for 30

_REMEMBER = "INSERT INTO bus_dedup (source, key) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_FORGET = """
DELETE FROM bus_dedup WHERE id IN (
    SELECT id FROM bus_dedup WHERE seen_at < clock_timestamp() - %s::interval LIMIT 10000)
"""


def first_time(module: str, *, source: str, key: str) -> bool:
    """Whether ``module`` sees this message of ``source`` for the first time.

    Remembered in the open transaction of ``module``: rolled back with what the message did. A
    second one that arrives meanwhile waits for that.
    """
    return execute(module, _REMEMBER, [source, key]) == 1


def forget_old(module: str) -> int:
    """Drop a batch of what is older than KEEP; how many."""
    return execute(module, _FORGET, [KEEP])
