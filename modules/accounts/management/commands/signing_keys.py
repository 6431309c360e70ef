"""``manage.py signing_keys``: the keys of access tokens, shown and changed."""

from __future__ import annotations

from modules.accounts.keys import ring
from modules.platform.keys import KeyRing
from modules.platform.keys.command import KeysCommand


class Command(KeysCommand):
    help = (
        "Show or change the keys that sign access tokens. After `rotate` the old key goes on "
        "verifying; `retire` it once ACCESS_TOKEN_MINUTES have passed."
    )

    def ring(self) -> KeyRing:
        return ring()
