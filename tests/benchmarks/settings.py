"""The shop as in production, but on this machine's servers and without TLS."""

from shop.settings.dev import *  # noqa: F403

TABLE_GUARD = False  # a check of development and tests, off in production
