"""A host that places, for tests that start one of its commands as a process."""

import os
from pathlib import Path

from shop.settings.test import *  # noqa: F403
from shop.settings.test import DATABASES

FICUS_HOME = Path(os.environ["PLACING_HOME"])
PLACEMENT_FRONT_DOORS = [os.environ["PLACING_DOOR"]]
PLACE_MODULES = True
for _one in DATABASES.values():
    _one["NAME"] = os.environ["PLACING_DATABASE"]
