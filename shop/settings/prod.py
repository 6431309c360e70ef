"""The shop in production: nothing embedded, nothing defaulted that must be secret."""

from modules.platform.hosting.settings import production
from shop.host import HOST

globals().update(production(HOST))
