"""The shop under test: real servers, everything that can be checked is checked."""

from shop.settings.dev import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = True
# What a test does not pump stays where it is; tests of the broker start their own workers.
BUS_CARRIER = "modules.platform.messaging.carrier.InlineCarrier"
BUS_WAKE_URL = ""
