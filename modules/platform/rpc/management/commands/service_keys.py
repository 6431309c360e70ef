"""``manage.py service_keys``: the keys of this host's calls, shown and changed."""

from __future__ import annotations

from modules.platform.keys import KeyRing, ring_in
from modules.platform.keys.command import KeysCommand
from modules.platform.rpc.settings import keys_dir


class Command(KeysCommand):
    help = (
        "Show or change the keys with which this host signs its calls. After `rotate` the old "
        "key goes on verifying; `retire` it a minute later, when no token of it is under way."
    )

    def ring(self) -> KeyRing:
        return ring_in(keys_dir())
